import { LoaderCircle } from 'lucide-react';
import { cx } from '../lib/cx';

export function Spinner({ className }: { className?: string }) {
  return <LoaderCircle aria-hidden="true" className={cx('size-4 animate-spin', className)} />;
}

/** A whole area that waits for something. */
export function Loading({ label }: { label: string }) {
  return (
    <div
      role="status"
      className="flex h-full flex-col items-center justify-center gap-3 text-ink-3"
    >
      <Spinner className="size-6 text-accent" />
      <span className="text-sm">{label}</span>
    </div>
  );
}

import { cx } from '../lib/cx';

/** The mark: an open circle, and somebody coming in. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={cx('size-8 shrink-0', className)}>
      <rect width="32" height="32" rx="9" className="fill-accent" />
      <path
        d="M21.2 20.9a7.1 7.1 0 1 1 0-9.8"
        fill="none"
        strokeWidth="3.4"
        strokeLinecap="round"
        className="stroke-accent-ink"
      />
      <circle cx="22.6" cy="16" r="2.1" className="fill-accent-ink opacity-80" />
    </svg>
  );
}

export function Logo({ className }: { className?: string }) {
  return (
    <span className={cx('inline-flex items-center gap-2.5', className)}>
      <Mark />
      <span className="text-lg font-semibold tracking-tight">confer</span>
    </span>
  );
}

import { CircleAlert, Info, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from '../lib/cx';

type Tone = 'info' | 'warn' | 'danger';

const TONES = {
  info: { look: 'bg-accent-soft text-accent-text', icon: Info },
  warn: { look: 'bg-warn-soft text-warn-text', icon: TriangleAlert },
  danger: { look: 'bg-danger-soft text-danger-text', icon: CircleAlert },
} as const;

interface NoticeProps {
  tone?: Tone;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  className?: string;
}

/** A few words about a state, inside the page they are about. */
export function Notice({ tone = 'info', title, children, action, className }: NoticeProps) {
  const { look, icon: Icon } = TONES[tone];
  return (
    <div
      role={tone === 'danger' ? 'alert' : 'status'}
      className={cx('flex items-start gap-3 rounded-card px-4 py-3 text-sm', look, className)}
    >
      <Icon aria-hidden="true" className="mt-0.5 size-4.5 shrink-0" />
      <div className="min-w-0 flex-1">
        <p className="font-semibold">{title}</p>
        {children === undefined ? null : <div className="text-ink-2">{children}</div>}
      </div>
      {action}
    </div>
  );
}

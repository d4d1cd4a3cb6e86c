import { Check, CheckCheck, CircleAlert, Clock3 } from 'lucide-react';
import { cx } from '../lib/cx';
import { STATUS_TEXT } from './statusText';
import type { MessageStatus } from './view';

const ICONS = {
  sending: Clock3,
  sent: Check,
  delivered: CheckCheck,
  read: CheckCheck,
  failed: CircleAlert,
} as const;

/** How far a message of one's own is: a shape for the eye, words for everybody else. */
export function Ticks({ status }: { status: MessageStatus }) {
  const Icon = ICONS[status];
  return (
    <span className="inline-flex" title={STATUS_TEXT[status]}>
      <Icon
        aria-hidden="true"
        strokeWidth={2.4}
        className={cx(
          'size-3.75',
          status === 'read' && 'text-accent-text',
          status === 'failed' && 'text-danger-text',
        )}
      />
      <span className="sr-only">{STATUS_TEXT[status]}</span>
    </span>
  );
}

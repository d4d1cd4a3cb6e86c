import type { ComponentProps, ReactNode } from 'react';
import { Tooltip } from '../components/Tooltip';
import { cx } from '../lib/cx';

interface CallButtonProps extends ComponentProps<'button'> {
  testId: string;
  label: string;
  shortcut?: string;
  /** Switched off: microphone and camera, where that must not be overlooked. */
  off?: boolean;
  /** Switched on: sharing, an open panel. */
  active?: boolean;
  expanded?: boolean;
  children: ReactNode;
}

/** One button of the control bar. */
export function CallButton(props: CallButtonProps) {
  const {
    testId,
    label,
    shortcut,
    off = false,
    active = false,
    expanded,
    children,
    ...rest
  } = props;

  return (
    <Tooltip label={label} shortcut={shortcut}>
      <button
        type="button"
        {...rest}
        aria-label={label}
        aria-keyshortcuts={shortcut}
        aria-expanded={expanded}
        data-testid={testId}
        data-off={off || undefined}
        data-active={active || undefined}
        className={cx(
          'press relative inline-flex size-11 shrink-0 items-center justify-center rounded-2xl border shadow-1 sm:size-12 [&>svg]:size-5.5',
          'disabled:cursor-not-allowed disabled:opacity-50',
          off && 'border-transparent bg-danger-soft text-danger-text hover:brightness-95',
          active && 'border-transparent bg-accent-soft text-accent-text hover:brightness-95',
          !off && !active && 'border-line bg-surface text-ink hover:bg-sunken',
        )}
      >
        {children}
      </button>
    </Tooltip>
  );
}

import type { ComponentProps, ReactNode } from 'react';
import { cx } from '../lib/cx';
import { Tooltip } from './Tooltip';

interface IconButtonProps extends ComponentProps<'button'> {
  /** Read out, and shown as the tooltip. */
  label: string;
  shortcut?: string;
  side?: 'top' | 'right' | 'bottom' | 'left';
  children: ReactNode;
}

/** A square button with nothing but an icon. */
export function IconButton({
  label,
  shortcut,
  side,
  className,
  children,
  ...rest
}: IconButtonProps) {
  return (
    <Tooltip label={label} shortcut={shortcut} side={side}>
      <button
        type="button"
        aria-label={label}
        aria-keyshortcuts={shortcut}
        {...rest}
        className={cx(
          'press relative inline-flex size-10 shrink-0 items-center justify-center rounded-control text-ink-2',
          'hover:bg-hover hover:text-ink disabled:cursor-not-allowed disabled:opacity-50',
          'aria-pressed:bg-accent-soft aria-pressed:text-accent-text',
          className,
        )}
      >
        {children}
      </button>
    </Tooltip>
  );
}

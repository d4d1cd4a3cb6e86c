import type { ComponentProps, ReactNode } from 'react';
import { cx } from '../lib/cx';
import { Spinner } from './Spinner';

type Variant = 'primary' | 'secondary' | 'ghost' | 'danger';
type Size = 'sm' | 'md' | 'lg';

const VARIANTS: Record<Variant, string> = {
  primary: 'bg-accent text-accent-ink shadow-1 hover:bg-accent-hover',
  secondary: 'border border-line bg-surface text-ink shadow-1 hover:bg-hover',
  ghost: 'text-ink-2 hover:bg-hover hover:text-ink',
  danger: 'bg-danger text-danger-ink shadow-1 hover:bg-danger-hover',
};

const SIZES: Record<Size, string> = {
  sm: 'h-8 gap-1.5 px-3 text-sm',
  md: 'h-10 gap-2 px-4',
  lg: 'h-12 gap-2 px-6 text-base',
};

/** The look of a button, for links that act like one. */
export function buttonClass(variant: Variant = 'secondary', size: Size = 'md'): string {
  return cx(
    'press inline-flex shrink-0 items-center justify-center rounded-control font-medium whitespace-nowrap',
    'disabled:cursor-not-allowed disabled:opacity-55',
    VARIANTS[variant],
    SIZES[size],
  );
}

interface ButtonProps extends ComponentProps<'button'> {
  variant?: Variant;
  size?: Size;
  /** Something is under way: the button shows it and does not take another press. */
  busy?: boolean;
  icon?: ReactNode;
}

export function Button({
  variant = 'secondary',
  size = 'md',
  busy = false,
  icon,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={cx(buttonClass(variant, size), className)}
    >
      {busy ? <Spinner /> : icon}
      {children}
    </button>
  );
}

import { type ComponentProps, useId } from 'react';
import { cx } from '../lib/cx';

interface TextFieldProps extends ComponentProps<'input'> {
  label: string;
  /** What helps before anything is wrong. */
  help?: string | undefined;
  /** What is wrong, as a sentence. */
  problem?: string | undefined;
}

export function TextField({ label, help, problem, className, ...rest }: TextFieldProps) {
  const id = useId();
  const note = problem ?? help;

  return (
    <div className={cx('flex flex-col gap-1.5', className)}>
      <label htmlFor={id} className="text-sm font-medium text-ink">
        {label}
      </label>
      <input
        {...rest}
        id={id}
        aria-invalid={problem !== undefined || undefined}
        aria-describedby={note === undefined ? undefined : `${id}-note`}
        className={cx(
          'h-11 rounded-control border bg-surface px-3 text-base text-ink shadow-1',
          'transition-colors hover:border-ink-3 focus-visible:border-accent focus-visible:outline-1 focus-visible:outline-offset-0',
          problem === undefined ? 'border-line-strong' : 'border-danger',
        )}
      />
      {note === undefined ? null : (
        <p
          id={`${id}-note`}
          className={cx('text-sm', problem === undefined ? 'text-ink-3' : 'text-danger-text')}
        >
          {note}
        </p>
      )}
    </div>
  );
}

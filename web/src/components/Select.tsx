import { Check, ChevronDown } from 'lucide-react';
import { Select as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import { cx } from '../lib/cx';

export interface Choice {
  value: string;
  label: string;
}

interface SelectProps {
  label: string;
  icon?: ReactNode;
  choices: readonly Choice[];
  value: string | undefined;
  onChange: (value: string) => void;
  placeholder: string;
  testId?: string;
  className?: string;
}

/** One of several, with its label read out but not shown: an icon stands beside it. */
export function Select({
  label,
  icon,
  choices,
  value,
  onChange,
  placeholder,
  testId,
  className,
}: SelectProps) {
  const known = choices.some((choice) => choice.value === value) ? value : undefined;

  return (
    <Radix.Root value={known ?? ''} onValueChange={onChange} disabled={choices.length === 0}>
      <Radix.Trigger
        aria-label={label}
        data-testid={testId}
        className={cx(
          'press flex h-11 w-full min-w-0 items-center gap-2.5 rounded-control border border-line bg-surface px-3 text-left text-sm shadow-1 hover:bg-hover',
          'data-disabled:cursor-not-allowed data-disabled:text-ink-3',
          className,
        )}
      >
        {icon === undefined ? null : <span className="shrink-0 text-ink-3">{icon}</span>}
        <span className="min-w-0 flex-1 truncate">
          <Radix.Value placeholder={placeholder} />
        </span>
        <ChevronDown aria-hidden="true" className="size-4 shrink-0 text-ink-3" />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          position="popper"
          sideOffset={6}
          collisionPadding={12}
          className="rise z-60 max-h-(--radix-select-content-available-height) w-(--radix-select-trigger-width) min-w-56 overflow-hidden rounded-card border border-line bg-raised p-1 shadow-3"
        >
          <Radix.Viewport>
            {choices.map((choice) => (
              <Radix.Item
                key={choice.value}
                value={choice.value}
                className="flex cursor-default items-center gap-2 rounded-lg px-2.5 py-2 text-sm outline-none select-none data-highlighted:bg-hover"
              >
                <span className="size-4 shrink-0 text-accent-text">
                  <Radix.ItemIndicator>
                    <Check aria-hidden="true" className="size-4" />
                  </Radix.ItemIndicator>
                </span>
                <Radix.ItemText>{choice.label}</Radix.ItemText>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

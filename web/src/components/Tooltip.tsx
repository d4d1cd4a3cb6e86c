import { Tooltip as Radix } from 'radix-ui';
import type { ReactNode } from 'react';

interface TooltipProps {
  label: string;
  shortcut?: string | undefined;
  side?: 'top' | 'right' | 'bottom' | 'left' | undefined;
  children: ReactNode;
}

/** Says on hover and focus what an icon means. */
export function Tooltip({ label, shortcut, side = 'top', children }: TooltipProps) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          side={side}
          sideOffset={8}
          collisionPadding={8}
          className="fade z-50 flex items-center gap-2 rounded-lg bg-ink px-2.5 py-1.5 text-xs font-medium text-canvas shadow-2"
        >
          {label}
          {shortcut === undefined ? null : (
            <kbd className="rounded border border-current px-1 font-sans text-[0.6875rem] opacity-70">
              {shortcut}
            </kbd>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

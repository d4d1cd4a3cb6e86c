import { Tooltip } from 'radix-ui';
import type { ReactNode } from 'react';
import { Announcer } from './components/Announcer';
import { Toasts } from './components/Toasts';

/** What every screen needs around it. */
export function Providers({ children }: { children: ReactNode }) {
  return (
    <Tooltip.Provider delayDuration={500} skipDelayDuration={200}>
      {children}
      <Toasts />
      <Announcer />
    </Tooltip.Provider>
  );
}

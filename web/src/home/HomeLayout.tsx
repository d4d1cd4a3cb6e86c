import type { ReactNode } from 'react';
import { cx } from '../lib/cx';

interface HomeLayoutProps {
  sidebar: ReactNode;
  children: ReactNode;
  /** Which half a phone shows; wider screens show both. */
  showing: 'sidebar' | 'main';
  /** Above both. */
  banner?: ReactNode;
}

/** The list on the left, what was chosen beside it. */
export function HomeLayout({ sidebar, children, showing, banner }: HomeLayoutProps) {
  return (
    <div className="flex h-dvh flex-col overflow-hidden">
      {banner}
      <main className="flex min-h-0 flex-1">
        <div
          className={cx(
            'min-h-0 w-full shrink-0 border-line bg-surface md:w-80 2xl:w-96 md:border-r',
            showing === 'main' && 'max-md:hidden',
          )}
        >
          {sidebar}
        </div>
        <div
          className={cx(
            'flex min-h-0 min-w-0 flex-1 flex-col',
            showing === 'sidebar' && 'max-md:hidden',
          )}
        >
          {children}
        </div>
      </main>
    </div>
  );
}

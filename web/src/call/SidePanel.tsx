import { X } from 'lucide-react';
import { type ReactNode, useEffect, useRef } from 'react';
import { IconButton } from '../components/IconButton';

interface SidePanelProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** Beside the pictures on a wide screen; over their lower part on a phone. */
export function SidePanel({ title, onClose, children }: SidePanelProps) {
  const panel = useRef<HTMLElement>(null);

  useEffect(() => {
    const before = document.activeElement;
    // On a phone the keyboard would cover what was opened to be read.
    const typing = window.matchMedia('(pointer: fine)').matches;
    const first = typing ? panel.current?.querySelector('textarea') : undefined;
    (first ?? panel.current)?.focus({ preventScroll: true });
    return () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);

  return (
    <>
      <div
        aria-hidden="true"
        onClick={onClose}
        className="fade fixed inset-0 z-20 bg-scrim md:hidden"
      />
      <aside
        ref={panel}
        tabIndex={-1}
        aria-label={title}
        onKeyDown={(event) => {
          if (event.key === 'Escape' && !event.defaultPrevented) onClose();
        }}
        className="flex min-h-0 flex-col overflow-hidden bg-canvas outline-none max-md:sheet max-md:fixed max-md:inset-x-0 max-md:top-[18dvh] max-md:bottom-0 max-md:z-30 max-md:rounded-t-sheet max-md:shadow-3 md:w-88 md:shrink-0 md:rounded-tile md:border md:border-line xl:w-96"
      >
        <header className="flex h-14 shrink-0 items-center justify-between border-b border-line pr-2 pl-5">
          <h2 className="font-semibold tracking-tight">{title}</h2>
          <IconButton label={`Close ${title.toLocaleLowerCase()}`} side="left" onClick={onClose}>
            <X aria-hidden="true" className="size-5" />
          </IconButton>
        </header>
        <div className="min-h-0 flex-1">{children}</div>
      </aside>
    </>
  );
}

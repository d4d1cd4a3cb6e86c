import { useSyncExternalStore } from 'react';

let words = '';
let turn = false;
const listeners = new Set<() => void>();

/** Tells screen readers about something that others see happen. */
export function announce(text: string): void {
  // A reader stays silent when the text does not change; an invisible space makes repeats new.
  turn = !turn;
  words = turn ? text : `${text}\u200b`;
  for (const listener of listeners) listener();
}

/** The one polite live region of the page. */
export function Announcer() {
  const text = useSyncExternalStore(subscribe, () => words);
  return (
    <div aria-live="polite" data-testid="announcer" className="sr-only">
      {text}
    </div>
  );
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

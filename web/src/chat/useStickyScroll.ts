import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react';

/** Closer to the end than this counts as being there, in CSS pixels. */
const NEAR_BOTTOM = 64;
/** Older messages are asked for before the reader reaches the top. */
const NEAR_TOP = 240;
/** What was read stays in view above what is new. */
const ABOVE_UNREAD = 72;
/** Pages that are fetched by themselves to find where the unread begin; further up it is scrolled. */
const MOST_PAGES_TO_UNREAD = 4;

interface StickyScrollInput {
  newestKey: string | undefined;
  newestIsOwn: boolean;
  oldestKey: string | undefined;
  hasOlder: boolean;
  loadOlder: () => Promise<void>;
  /** Told whenever the reader reaches the end or leaves it. */
  onAtBottom?: ((atBottom: boolean) => void) | undefined;
}

interface StickyScroll {
  area: RefObject<HTMLDivElement | null>;
  /** The line before what is unread: where reading begins. */
  unreadLine: RefObject<HTMLDivElement | null>;
  atBottom: boolean;
  /** Messages that came while the reader was further up. */
  missed: number;
  onScroll: () => void;
  toBottom: () => void;
}

/**
 * Keeps a list at its end while the reader is there, and the same message in place while older
 * ones are put in above it. A list with something unread begins there.
 */
export function useStickyScroll(input: StickyScrollInput): StickyScroll {
  const { newestKey, newestIsOwn, oldestKey, hasOlder, loadOlder, onAtBottom } = input;
  const area = useRef<HTMLDivElement>(null);
  const unreadLine = useRef<HTMLDivElement>(null);
  const [atBottom, setAtBottom] = useState(true);
  const [missed, setMissed] = useState(0);
  const loading = useRef(false);
  const readerMoved = useRef(false);
  const broughtIntoView = useRef(0);
  /** Where the list itself put the view, as opposed to the reader. */
  const placed = useRef<number>(undefined);
  const before = useRef<Before>({ height: 0 });

  const look = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_BOTTOM;
    setAtBottom(near);
    if (near) setMissed(0);
    onAtBottom?.(near);
  }, [onAtBottom]);

  const toBottom = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    element.scrollTop = element.scrollHeight;
    look();
  }, [look]);

  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    const known = before.current;
    before.current = { newest: newestKey, oldest: oldestKey, height: element.scrollHeight };

    const first = known.newest === undefined;
    const older = known.oldest !== undefined && known.oldest !== oldestKey;
    const newer = known.newest !== newestKey;
    // Until the reader moves, every page that comes in may bring the beginning of what is unread.
    const unread = unreadLine.current;
    const follow = older && !readerMoved.current && broughtIntoView.current < MOST_PAGES_TO_UNREAD;
    if (unread !== null && (first || follow)) {
      broughtIntoView.current += 1;
      bringIntoView(element, unread);
    } else if (older && !newer) {
      element.scrollTop += element.scrollHeight - known.height;
    } else if (newer && (atBottom || newestIsOwn)) {
      element.scrollTop = element.scrollHeight;
    } else if (newer) {
      setMissed((count) => count + 1);
    }
    placed.current = element.scrollTop;
    look();
  }, [newestKey, newestIsOwn, oldestKey, atBottom, look]);

  // The list also grows and shrinks with the window, the keyboard and the composer.
  const present = newestKey !== undefined;
  useLayoutEffect(() => {
    // An empty conversation has no list; its first message brings one.
    void present;
    const element = area.current;
    if (element === null || typeof ResizeObserver === 'undefined') return;
    const observer = new ResizeObserver(() => {
      if (atBottom) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [atBottom, present]);

  const onScroll = useCallback(() => {
    const element = area.current;
    if (element === null) return;

    look();
    readerMoved.current = readerMoved.current || element.scrollTop !== placed.current;

    if (element.scrollTop < NEAR_TOP && hasOlder && !loading.current) {
      loading.current = true;
      before.current.height = element.scrollHeight;
      void loadOlder().finally(() => {
        loading.current = false;
      });
    }
  }, [hasOlder, loadOlder, look]);

  return { area, unreadLine, atBottom, missed, onScroll, toBottom };
}

/** What the list was when it was last laid out. */
interface Before {
  newest?: string | undefined;
  oldest?: string | undefined;
  height: number;
}

/** Brings the beginning of what is unread into view. */
function bringIntoView(element: HTMLElement, line: HTMLElement): void {
  const above = line.getBoundingClientRect().top - element.getBoundingClientRect().top;
  element.scrollTop += above - ABOVE_UNREAD;
}

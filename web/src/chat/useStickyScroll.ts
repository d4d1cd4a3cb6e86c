import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react';

/** Closer to the end than this counts as being there, in CSS pixels. */
const NEAR_BOTTOM = 64;
/** Older messages are asked for before the reader reaches the top. */
const NEAR_TOP = 240;

interface StickyScrollInput {
  newestKey: string | undefined;
  newestIsOwn: boolean;
  oldestKey: string | undefined;
  hasOlder: boolean;
  loadOlder: () => Promise<void>;
}

interface StickyScroll {
  area: RefObject<HTMLDivElement | null>;
  atBottom: boolean;
  /** Messages that came while the reader was further up. */
  missed: number;
  onScroll: () => void;
  toBottom: () => void;
}

/**
 * Keeps a list at its end while the reader is there, and the same message in place while older
 * ones are put in above it.
 */
export function useStickyScroll(input: StickyScrollInput): StickyScroll {
  const { newestKey, newestIsOwn, oldestKey, hasOlder, loadOlder } = input;
  const area = useRef<HTMLDivElement>(null);
  const [atBottom, setAtBottom] = useState(true);
  const [missed, setMissed] = useState(0);
  const loading = useRef(false);
  const before = useRef<{
    newest?: string | undefined;
    oldest?: string | undefined;
    height: number;
  }>({
    height: 0,
  });

  const toBottom = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    element.scrollTop = element.scrollHeight;
    setAtBottom(true);
    setMissed(0);
  }, []);

  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    const known = before.current;

    const older = known.oldest !== undefined && known.oldest !== oldestKey;
    const newer = known.newest !== newestKey;
    if (older && !newer) {
      element.scrollTop += element.scrollHeight - known.height;
    } else if (newer && (atBottom || newestIsOwn)) {
      toBottom();
    } else if (newer) {
      setMissed((count) => count + 1);
    }
    before.current = { newest: newestKey, oldest: oldestKey, height: element.scrollHeight };
  }, [newestKey, newestIsOwn, oldestKey, atBottom, toBottom]);

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

    const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_BOTTOM;
    setAtBottom(near);
    if (near) setMissed(0);

    if (element.scrollTop < NEAR_TOP && hasOlder && !loading.current) {
      loading.current = true;
      before.current.height = element.scrollHeight;
      void loadOlder().finally(() => {
        loading.current = false;
      });
    }
  }, [hasOlder, loadOlder]);

  return { area, atBottom, missed, onScroll, toBottom };
}

import { useCallback, useEffect, useRef, useState } from 'react';

export interface Polled<T> {
  /** The last answer; missing until there is one. */
  value: T | undefined;
  /** Why the last question failed, until one succeeds. */
  error: unknown;
  refresh: () => void;
}

/**
 * Asks again and again while the page is visible, for what no event tells.
 *
 * `ask` must be stable: another function starts from nothing.
 */
export function usePolled<T>(ask: () => Promise<T>, everyMs: number): Polled<T> {
  const [answer, setAnswer] = useState<{ from: unknown; value: T }>();
  const [error, setError] = useState<unknown>();
  const newest = useRef(0);

  const refresh = useCallback(() => {
    newest.current += 1;
    const mine = newest.current;
    ask().then(
      (value) => {
        if (mine !== newest.current) return;
        setAnswer({ from: ask, value });
        setError(undefined);
      },
      (reason: unknown) => {
        if (mine === newest.current) setError(reason);
      },
    );
  }, [ask]);

  useEffect(() => {
    const refreshVisible = () => {
      if (document.visibilityState === 'visible') refresh();
    };
    refresh();
    const timer = setInterval(refreshVisible, everyMs);
    document.addEventListener('visibilitychange', refreshVisible);
    return () => {
      newest.current += 1;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', refreshVisible);
    };
  }, [refresh, everyMs]);

  return { value: answer?.from === ask ? answer.value : undefined, error, refresh };
}

import { useCallback, useSyncExternalStore } from 'react';

/** As much of an SDK emitter as is needed to follow it. */
interface Revised {
  readonly revision: number;
  on(name: 'change', listener: () => void): () => void;
}

/** Renders again whenever the emitter says that something about it is different. */
export function useRevision(emitter: Revised | undefined | null): number {
  const subscribe = useCallback(
    (changed: () => void) => emitter?.on('change', changed) ?? (() => undefined),
    [emitter],
  );
  return useSyncExternalStore(subscribe, () => emitter?.revision ?? 0);
}

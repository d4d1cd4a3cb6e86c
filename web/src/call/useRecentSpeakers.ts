import type { Room } from 'confer-sdk';
import { useEffect, useState } from 'react';

/** Enough to keep a conversation in view. */
const MOST_RECENT = 8;

/** Who spoke last, latest first. */
export function useRecentSpeakers(room: Room): readonly string[] {
  const [recent, setRecent] = useState<readonly string[]>([]);

  useEffect(
    () =>
      room.on('speakers', (speaking) => {
        setRecent((known) => {
          const next = [...new Set([...speaking, ...known])].slice(0, MOST_RECENT);
          const same = next.length === known.length && next.every((id, at) => id === known[at]);
          return same ? known : next;
        });
      }),
    [room],
  );

  return recent;
}

import type { Room } from 'confer-sdk';
import { useCallback, useEffect, useState } from 'react';
import { useRevision } from '../hooks/useRevision';

/**
 * Asks for the cameras that have a tile, and for no others: in a large call most have none.
 *
 * Returns what is to be told which tiles are shown; nothing stands for all of them.
 */
export function useWantedPictures(room: Room): (tiles: readonly string[] | undefined) => void {
  const [shown, setShown] = useState<ReadonlySet<string>>();
  const revision = useRevision(room);

  useEffect(() => {
    // Who publishes a camera changes with the room.
    void revision;
    for (const participant of room.participants.values()) {
      const camera = participant.publication('camera');
      if (camera === undefined) continue;
      const wanted = shown === undefined || shown.has(participant.id);
      room.subscribe(camera.id, wanted ? null : { wanted: false });
    }
  }, [room, shown, revision]);

  return useCallback((tiles: readonly string[] | undefined) => {
    setShown(tiles === undefined ? undefined : new Set(tiles));
  }, []);
}

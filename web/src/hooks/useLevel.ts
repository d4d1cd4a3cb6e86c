import { useEffect, useState } from 'react';
import { client } from '../client';

/** Often enough to look alive, seldom enough to cost nothing. */
const EVERY_MS = 80;

/** How loud a track is now, from 0 to 1. */
export function useLevel(track: MediaStreamTrack | undefined): number {
  const [level, setLevel] = useState(0);

  useEffect(() => {
    if (track === undefined) return;
    const meter = client.devices.levelMeter(track);
    const timer = setInterval(() => setLevel(meter.level()), EVERY_MS);
    return () => {
      clearInterval(timer);
      meter.close();
      setLevel(0);
    };
  }, [track]);

  return level;
}

import { useEffect, useState } from 'react';
import { duration } from '../lib/time';

/** How long one has been in the call. */
export function CallTimer({ startedAt }: { startedAt: number }) {
  const [now, setNow] = useState(() => Date.now());

  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);

  return (
    <span role="timer" aria-label="Time in the call" className="text-sm text-ink-3">
      {duration(now - startedAt)}
    </span>
  );
}

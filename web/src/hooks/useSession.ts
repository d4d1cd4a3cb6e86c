import type { UserInfo } from 'confer-sdk';
import { useCallback, useEffect, useState } from 'react';
import { client } from '../client';

export type Session =
  | { state: 'restoring' }
  /** The server could not be asked whether somebody is signed in. */
  | { state: 'unreachable'; error: unknown; retry: () => void }
  | { state: 'signed-out' }
  | { state: 'signed-in'; user: UserInfo };

/** Who uses this page, from the first moment to the last; keeps the connection open for them. */
export function useSession(): Session {
  const [user, setUser] = useState<UserInfo | null>(client.auth.user);
  const [restored, setRestored] = useState(false);
  const [error, setError] = useState<unknown>();

  const restore = useCallback(() => {
    setError(undefined);
    client.auth.restore().then(
      () => setRestored(true),
      (reason: unknown) => setError(reason),
    );
  }, []);

  useEffect(() => client.auth.on('user', setUser), []);
  useEffect(restore, [restore]);

  const id = user?.id;
  useEffect(() => {
    if (id === undefined) return;
    // A refusal shows in the connection's state, which the pages follow.
    client.connect().catch(() => undefined);
  }, [id]);

  if (user !== null) return { state: 'signed-in', user };
  if (error !== undefined) return { state: 'unreachable', error, retry: restore };
  return restored ? { state: 'signed-out' } : { state: 'restoring' };
}

import type { DeviceTracks, UserInfo } from 'confer-sdk';
import { useCallback, useState } from 'react';
import { client } from '../client';
import { NotFound } from '../components/NotFound';
import { useLevel } from '../hooks/useLevel';
import { usePolled } from '../hooks/usePolled';
import { useShortcuts } from '../hooks/useShortcuts';
import { type Explanation, explain, ROOM_WORDING } from '../lib/errors';
import { ShortcutsDialog } from '../settings/ShortcutsDialog';
import { LobbyView } from './LobbyView';
import { useLobbyDevices } from './useLobbyDevices';

interface LobbyProps {
  roomId: string;
  user: UserInfo;
  joining: boolean;
  problem: Explanation | undefined;
  onJoin: (tracks: DeviceTracks) => void;
}

/** How many are in a call is told to nobody outside of it, so it is asked for. */
const EVERY_MS = 5_000;

/** The preview, connected. */
export function Lobby({ roomId, user, joining, problem, onJoin }: LobbyProps) {
  const ask = useCallback(() => client.api.room(roomId), [roomId]);
  const { value: summary, error } = usePolled(ask, EVERY_MS);
  const { mic, camera, take } = useLobbyDevices();
  const level = useLevel(mic.track);
  const [shortcuts, setShortcuts] = useState(false);
  const [waiting, setWaiting] = useState(false);

  useShortcuts({ m: mic.toggle, v: camera.toggle, '?': () => setShortcuts(true) });

  async function join() {
    setWaiting(true);
    onJoin(await take());
    setWaiting(false);
  }

  if (summary === undefined && error !== undefined) {
    const { title, hint } = explain(error, ROOM_WORDING);
    return (
      <main className="h-full">
        <NotFound title={title} hint={hint} />
      </main>
    );
  }
  return (
    <>
      <LobbyView
        room={{ id: roomId, name: summary?.room.name ?? '' }}
        user={user}
        inCall={summary?.in_call ?? 0}
        mic={mic}
        camera={camera}
        level={level}
        joining={joining || waiting}
        problem={problem}
        onJoin={() => void join()}
      />
      <ShortcutsDialog open={shortcuts} onOpenChange={setShortcuts} />
    </>
  );
}

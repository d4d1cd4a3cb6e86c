import type { EndReason, Room, UserInfo } from 'confer-sdk';
import { useCallback, useEffect, useRef, useState } from 'react';
import { client } from '../client';
import { toast } from '../components/toastStore';
import { type Explanation, explain, ROOM_WORDING } from '../lib/errors';
import { navigate } from '../lib/router';
import { Lobby } from '../lobby/Lobby';
import { CallScreen } from './CallScreen';

interface CallPageProps {
  roomId: string;
  user: UserInfo;
}

type Stage =
  | { at: 'lobby'; joining: boolean; problem?: Explanation }
  | { at: 'call'; room: Room; startedAt: number };

/** A room's call, from the preview to the end. */
export function CallPage({ roomId, user }: CallPageProps) {
  const [stage, setStage] = useState<Stage>({ at: 'lobby', joining: false });
  const mounted = useRef(false);

  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
      // Going elsewhere in the app is leaving the call.
      void client.room?.leave();
    };
  }, []);

  const join = useCallback(
    async (tracks: { audio?: MediaStreamTrack; video?: MediaStreamTrack }) => {
      setStage({ at: 'lobby', joining: true });
      try {
        const room = await client.join(roomId, tracks);
        if (!mounted.current) {
          await room.leave();
          return;
        }
        room.on('left', ({ reason }) => ended(roomId, reason));
        setStage({ at: 'call', room, startedAt: Date.now() });
      } catch (error) {
        for (const track of Object.values(tracks)) track.stop();
        setStage({ at: 'lobby', joining: false, problem: explain(error, ROOM_WORDING) });
      }
    },
    [roomId],
  );

  return stage.at === 'call' ? (
    <CallScreen room={stage.room} startedAt={stage.startedAt} />
  ) : (
    <Lobby
      roomId={roomId}
      user={user}
      joining={stage.joining}
      problem={stage.problem}
      onJoin={join}
    />
  );
}

const ENDED: Record<Exclude<EndReason, 'left'>, readonly [string, string]> = {
  connection_lost: ['The connection was lost', 'Join again when you are back online.'],
  removed: ['You were removed from the call', 'Write in the chat if that was a mistake.'],
  revoked: ['You may no longer be in this call', 'Ask the owner of the room.'],
  room_closed: ['The room was closed', 'Its chat may still be there.'],
  closed: ['The call has ended', 'It may be open in another tab.'],
};

function ended(room: string, reason: EndReason): void {
  if (reason !== 'left') {
    const [title, hint] = ENDED[reason];
    toast(title, hint, 'danger');
  }
  if (window.location.pathname === `/rooms/${room}/call`) navigate({ page: 'room', room });
}

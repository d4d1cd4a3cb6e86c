import type { DeviceTracks, EndReason, Room, UserInfo } from 'confer-sdk';
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
  | { at: 'lobby'; joining: boolean; failures: number; problem?: Explanation }
  | { at: 'call'; room: Room; startedAt: number };

/** A room's call, from the preview to the end. */
export function CallPage({ roomId, user }: CallPageProps) {
  const [stage, setStage] = useState<Stage>({ at: 'lobby', joining: false, failures: 0 });
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
    async (tracks: DeviceTracks) => {
      if (!mounted.current) {
        stopAll(tracks);
        return;
      }
      setStage((before) => ({ at: 'lobby', joining: true, failures: failuresOf(before) }));
      try {
        const room = await client.join(roomId, tracks);
        if (!mounted.current) {
          await room.leave();
          return;
        }
        room.on('left', ({ reason }) => ended(roomId, reason));
        setStage({ at: 'call', room, startedAt: Date.now() });
      } catch (error) {
        stopAll(tracks);
        setStage((before) => ({
          at: 'lobby',
          joining: false,
          failures: failuresOf(before) + 1,
          problem: explain(error, ROOM_WORDING),
        }));
      }
    },
    [roomId],
  );

  return stage.at === 'call' ? (
    <CallScreen room={stage.room} startedAt={stage.startedAt} />
  ) : (
    <Lobby
      // The devices were handed over to the call that failed: they are started anew.
      key={stage.failures}
      roomId={roomId}
      user={user}
      joining={stage.joining}
      problem={stage.problem}
      onJoin={join}
    />
  );
}

function failuresOf(stage: Stage): number {
  return stage.at === 'lobby' ? stage.failures : 0;
}

function stopAll({ audio, video }: DeviceTracks): void {
  audio?.stop();
  video?.stop();
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

import type { LeaveReason, Room } from 'confer-sdk';
import { useEffect } from 'react';
import { announce } from '../components/Announcer';
import { toast, toastError } from '../components/toastStore';

/** Tells what happens in the call: to the ear always, to the eye where it is not to be seen. */
export function useCallNews(room: Room): void {
  useEffect(() => {
    const stops = [
      room.on('participantJoined', ({ user }) => announce(`${user.name} joined`)),
      room.on('participantLeft', ({ participant, reason }) => {
        const words = `${participant.user.name} ${LEFT[reason]}`;
        announce(words);
        if (reason === 'removed') toast(words);
      }),
      room.on('trackPublished', ({ participant, publication }) => {
        if (publication.source === 'screen') announce(`${participant.user.name} shares a screen`);
      }),
      room.on('reconnecting', () => announce('Reconnecting to the server')),
      room.on('reconnected', () => announce('Connected again')),
      room.on('error', (error) => toastError(error)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [room]);
}

const LEFT: Record<LeaveReason, string> = {
  left: 'left',
  connection_lost: 'lost the connection',
  removed: 'was removed',
  revoked: 'may no longer be here',
  room_closed: 'left, as the room was closed',
};

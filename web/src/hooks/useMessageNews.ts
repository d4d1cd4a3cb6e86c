import { useEffect } from 'react';
import { client } from '../client';
import { announce } from '../components/Announcer';
import { useRevision } from './useRevision';

const NAME = 'confer';

/** Reads new messages out, and shows in the tab's title how many there are. */
export function useMessageNews(): void {
  useRevision(client.chat);
  const { unread } = client.chat;

  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) ${NAME}` : NAME;
  }, [unread]);

  useEffect(
    () =>
      client.chat.on('message', ({ message }) =>
        announce(`${message.sender.name} writes: ${message.body}`),
      ),
    [],
  );
}

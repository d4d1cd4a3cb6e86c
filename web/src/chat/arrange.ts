import { sameDay } from '../lib/time';
import type { ListItem, MessageView } from './view';

/** Messages of one sender that are closer together than this share a name and a picture. */
const GROUP_WINDOW_MS = 5 * 60_000;

/**
 * Puts messages into groups by sender and time, with a line per day and, before the first message
 * after `readUpTo`, one for what is new.
 */
export function arrange(messages: readonly MessageView[], readUpTo?: number): ListItem[] {
  const items: ListItem[] = [];
  const unread = unreadAfter(messages, readUpTo);
  let previous: MessageView | undefined;

  for (const message of messages) {
    const newDay = previous === undefined || !sameDay(previous.at, message.at);
    if (newDay) items.push({ kind: 'day', key: `day-${message.key}`, at: message.at });

    const firstUnread = unread.first === message;
    if (firstUnread) {
      items.push({ kind: 'unread', key: 'unread', count: unread.count });
    }

    const last = items[items.length - 1];
    if (last?.kind === 'group' && previous !== undefined && belongsTo(previous, message)) {
      last.messages.push(message);
    } else {
      items.push({ kind: 'group', key: `group-${message.key}`, messages: [message] });
    }
    previous = message;
  }

  return items;
}

function unreadAfter(
  messages: readonly MessageView[],
  readUpTo: number | undefined,
): { first: MessageView | undefined; count: number } {
  if (readUpTo === undefined) return { first: undefined, count: 0 };
  const unread = messages.filter(
    (message) => !message.own && message.seq !== undefined && message.seq > readUpTo,
  );
  return { first: unread[0], count: unread.length };
}

function belongsTo(previous: MessageView, message: MessageView): boolean {
  return (
    previous.sender.id === message.sender.id &&
    message.at.getTime() - previous.at.getTime() < GROUP_WINDOW_MS
  );
}

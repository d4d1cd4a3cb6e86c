import { sameDay } from '../lib/time';
import type { ListItem, MessageView } from './view';

/** Messages of one sender that are closer together than this share a name and a picture. */
const GROUP_WINDOW_MS = 5 * 60_000;

/** What was unread when the list was opened. It stays marked while the reader is there. */
export interface UnreadSpan {
  /** The last message that had been read. */
  after: number;
  /** The last message there was. */
  upTo: number;
}

/**
 * Puts messages into groups by sender and time, with a line per day and one before the first
 * unread message.
 */
export function arrange(messages: readonly MessageView[], span?: UnreadSpan): ListItem[] {
  const items: ListItem[] = [];
  const unread = unreadIn(messages, span);
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

function unreadIn(
  messages: readonly MessageView[],
  span: UnreadSpan | undefined,
): { first: MessageView | undefined; count: number } {
  if (span === undefined) return { first: undefined, count: 0 };
  const unread = messages.filter(
    ({ own, seq }) => !own && seq !== undefined && seq > span.after && seq <= span.upTo,
  );
  return { first: unread[0], count: unread.length };
}

function belongsTo(previous: MessageView, message: MessageView): boolean {
  return (
    previous.sender.id === message.sender.id &&
    message.at.getTime() - previous.at.getTime() < GROUP_WINDOW_MS
  );
}

import type { MessageStatus } from './view';

/** What a tick means, in words: for its tooltip and for screen readers. */
export const STATUS_TEXT: Record<MessageStatus, string> = {
  sending: 'Sending',
  sent: 'Sent',
  delivered: 'Delivered to everyone',
  read: 'Read by everyone',
  failed: 'Not sent',
};

/** Messages as a page shows them: what is stored and what is on its way, in one form. */

import type { ConferError } from './errors.js';
import type { OutgoingMessage } from './outbox.js';
import type {
  ClientMessageId,
  Member,
  Message,
  MessageId,
  MessageSeq,
  SendReceipt,
  UserInfo,
} from './protocol.gen.js';

/** How far a message is. Delivered and read mean: by everybody else. */
export type MessageStatus = 'sending' | 'sent' | 'delivered' | 'read' | 'failed';

/** One message to show. An object stays the same until something about it changes. */
export interface ChatMessage {
  /** The same before and after sending. */
  readonly key: ClientMessageId;
  readonly id: MessageId | undefined;
  readonly seq: MessageSeq | undefined;
  readonly sender: UserInfo;
  readonly own: boolean;
  readonly body: string;
  readonly replyTo: MessageSeq | undefined;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly status: MessageStatus;
  /** Why it failed. */
  readonly error: ConferError | undefined;
  /** How many others have it. */
  readonly deliveredTo: number;
  /** How many others have seen it. */
  readonly readBy: number;
}

/** A message that the server has, with how far the other members are. */
export function showStored(
  message: Message,
  members: readonly Member[],
  self: UserInfo,
): ChatMessage {
  const others = members.filter(({ user }) => user.id !== message.sender.id);
  const deliveredTo = others.filter((each) => each.delivered >= message.seq).length;
  const readBy = others.filter((each) => each.read >= message.seq).length;
  const all = (count: number) => others.length > 0 && count === others.length;
  return {
    key: message.client_id,
    id: message.id,
    seq: message.seq,
    sender: message.sender,
    own: message.sender.id === self.id,
    body: message.body,
    replyTo: message.reply_to,
    createdAt: message.created_at,
    status: all(readBy) ? 'read' : all(deliveredTo) ? 'delivered' : 'sent',
    error: undefined,
    deliveredTo,
    readBy,
  };
}

/** A message of ours that the server may not have; with a receipt, it has. */
export function showOutgoing(
  message: OutgoingMessage,
  receipt: SendReceipt | null,
  self: UserInfo,
): ChatMessage {
  const unsent = message.error === undefined ? 'sending' : 'failed';
  return {
    key: message.clientId,
    id: receipt?.id,
    seq: receipt?.seq,
    sender: self,
    own: true,
    body: message.body,
    replyTo: message.replyTo,
    createdAt: receipt?.created_at ?? message.createdAt,
    status: receipt === null ? unsent : 'sent',
    error: message.error,
    deliveredTo: 0,
    readBy: 0,
  };
}

/** The object shown before, if it says the same: lists compare by identity. */
export function unchanged(before: ChatMessage | undefined, message: ChatMessage): ChatMessage {
  const same =
    before !== undefined &&
    before.seq === message.seq &&
    before.status === message.status &&
    before.body === message.body &&
    before.error === message.error &&
    before.createdAt === message.createdAt &&
    before.deliveredTo === message.deliveredTo &&
    before.readBy === message.readBy;
  return same ? before : message;
}

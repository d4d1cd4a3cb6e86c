import type { ChatMessage } from 'confer-sdk';
import type { MessageView } from './view';

/** Stands for an original that is further up than what is loaded. */
const NOT_LOADED = { name: 'An earlier message', body: 'Scroll up to read it.' };

/** The messages of a conversation as the list shows them. */
export function messageViews(messages: readonly ChatMessage[]): MessageView[] {
  const bySeq = new Map(messages.map((message) => [message.seq, message]));

  return messages.map((message) => {
    const { key, seq, sender, own, body, status, replyTo } = message;
    const original = replyTo === undefined ? undefined : bySeq.get(replyTo);
    const quoted =
      original === undefined
        ? NOT_LOADED
        : { name: original.own ? 'You' : original.sender.name, body: original.body };
    return {
      key,
      ...(seq === undefined ? {} : { seq }),
      sender,
      own,
      body,
      at: new Date(message.createdAt),
      ...(own ? { status } : {}),
      ...(replyTo === undefined ? {} : { replyTo: { seq: replyTo, ...quoted } }),
    };
  });
}

/** A client whose chat has one conversation, with a server that stores it as the real one does. */

import { ConferClient } from '../../src/client.js';
import type {
  CatchUp,
  Conversation,
  ConversationEvent,
  Message,
  UserInfo,
} from '../../src/protocol.gen.js';
import { settle } from './clock.js';
import { ALICE, BOB, FakePlatform } from './platform.js';

export const ID = 'conversation-1';

/** The server's store of one conversation between Alice, who is us, and Bob. */
export class Store {
  readonly events: ConversationEvent[] = [];
  readonly #byClientId = new Map<string, Message>();

  get messages(): Message[] {
    return this.events.flatMap((event) => (event.kind === 'message_sent' ? [event.message] : []));
  }

  write(
    sender: UserInfo,
    body: string,
    clientId = `c-${this.events.length + 1}`,
  ): ConversationEvent {
    const seq = this.messages.length + 1;
    const message: Message = {
      id: `m-${seq}`,
      conversation: ID,
      seq,
      client_id: clientId,
      sender,
      body,
      created_at: new Date(seq * 1000).toISOString(),
    };
    this.#byClientId.set(clientId, message);
    const event: ConversationEvent = {
      conversation: ID,
      event_seq: this.events.length + 1,
      kind: 'message_sent',
      message,
    };
    this.events.push(event);
    return event;
  }

  stored(clientId: string): Message | undefined {
    return this.#byClientId.get(clientId);
  }

  head(): Conversation {
    return {
      id: ID,
      kind: 'direct',
      title: 'Bob',
      members: [
        { user: ALICE, delivered: 0, read: 0 },
        { user: BOB, delivered: 0, read: 0 },
      ],
      last_seq: this.messages.length,
      last_event: this.events.length,
      last_message: this.messages.at(-1) ?? null,
      unread: 0,
    };
  }
}

/** A connected client and the conversation it shows. */
export async function chatting(prepare: (store: Store) => void = () => undefined) {
  const platform = new FakePlatform();
  const { server, http, clock } = platform;
  const store = new Store();
  prepare(store);
  http.on('GET /v1/conversations', () => ({ conversations: [store.head()] }));
  http.on(`GET /v1/conversations/${ID}`, () => store.head());
  http.on(`GET /v1/conversations/${ID}/events`, (_, path) => {
    const after = Number(new URL(path, 'https://x').searchParams.get('after'));
    return { events: store.events.slice(after, after + 3), more: store.events.length > after + 3 };
  });
  server.on('chat_sync', ({ cursors }) => {
    const conversations: CatchUp[] = cursors.map(({ event_seq }) => ({
      conversation: ID,
      reset: false,
      events: store.events.slice(event_seq),
      more: false,
      receipts: [],
    }));
    return { op: 'chat_sync', chat_epoch: 'epoch-1', conversations };
  });
  server.on('chat_send', ({ message }) => {
    const known = store.stored(message.client_id);
    const event = known === undefined ? store.write(ALICE, message.body, message.client_id) : null;
    const stored = known ?? store.stored(message.client_id);
    return {
      op: 'chat_send',
      id: stored?.id ?? '',
      seq: stored?.seq ?? 0,
      event_seq: event?.event_seq ?? stored?.seq ?? 0,
      created_at: stored?.created_at ?? '',
      duplicate: known !== undefined,
    };
  });
  server.on('chat_mark', ({ conversation, delivered, read }) => ({
    op: 'chat_mark',
    conversation,
    user: ALICE.id,
    delivered: delivered ?? 0,
    read: read ?? 0,
  }));
  server.on('chat_history', ({ query }) => {
    const before = query.before ?? Number.POSITIVE_INFINITY;
    const older = store.messages.filter(({ seq }) => seq < before);
    const limit = query.limit ?? 50;
    return { op: 'chat_history', messages: older.slice(-limit), more: older.length > limit };
  });
  const client = new ConferClient({ platform, token: async () => 'token' });
  await client.connect();
  await settle();
  const conversation = client.chat.conversation(ID);
  if (conversation === undefined) {
    throw new Error('the conversation is known');
  }
  const live = (event: ConversationEvent) => server.notice({ kind: 'chat_event', event });
  const bodies = () => conversation.messages.map(({ body }) => body);
  return {
    platform,
    server,
    http,
    clock,
    store,
    client,
    chat: client.chat,
    conversation,
    live,
    bodies,
  };
}

import { describe, expect, it } from 'vitest';
import { ConferClient } from '../src/client.js';
import type {
  CatchUp,
  Conversation,
  ConversationEvent,
  Message,
  UserInfo,
} from '../src/protocol.gen.js';
import { settle } from './fakes/clock.js';
import { ALICE, BOB, FakePlatform, problem } from './fakes/platform.js';

const ID = 'conversation-1';

/** The server's store of one conversation between Alice, who is us, and Bob. */
class Store {
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

async function chatting(prepare: (store: Store) => void = () => undefined) {
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

describe('events', () => {
  it('show what others write, and count it as unread', async () => {
    const { store, live, chat, conversation, bodies } = await chatting();
    const heard: string[] = [];
    chat.on('message', ({ message }) => heard.push(message.body));
    live(store.write(BOB, 'hello'));
    expect(bodies()).toEqual(['hello']);
    expect(heard).toEqual(['hello']);
    expect(conversation.unread).toBe(1);
    expect(chat.unread).toBe(1);
  });

  it('that came before are no news and no reason to fetch anything', async () => {
    const { store, live, chat, http, clock } = await chatting();
    const heard: string[] = [];
    chat.on('message', ({ message }) => heard.push(message.body));
    const event = store.write(BOB, 'hello');
    live(event);
    live(event);
    live(event);
    await clock.advance(10);
    expect(heard).toEqual(['hello']);
    expect(http.calls.filter(({ path }) => path.includes('/events'))).toHaveLength(0);
  });

  it('are applied exactly once, in order, whatever is repeated, dropped or reordered', async () => {
    const { store, live, conversation, bodies, clock } = await chatting();
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    const heard: number[] = [];
    conversation.on('change', () => heard.push(conversation.cursor));
    for (let round = 0; round < 200; round += 1) {
      const event = store.write(random() < 0.5 ? BOB : ALICE, `m${round}`);
      const fate = random();
      if (fate < 0.5) {
        live(event);
      } else if (fate < 0.7) {
        live(event);
        live(event);
      } else if (fate < 0.8) {
        live(store.events[Math.floor(random() * store.events.length)] ?? event);
      }
      if (random() < 0.3) {
        await clock.advance(10);
      }
    }
    live(store.write(BOB, 'last'));
    await clock.advance(100);
    expect(bodies()).toEqual(store.messages.map(({ body }) => body));
    expect(conversation.messages.map(({ seq }) => seq)).toEqual(
      store.messages.map(({ seq }) => seq),
    );
    expect(heard).toEqual([...heard].sort((a, b) => a - b));
  });

  it('that were missed while the socket was gone follow on the next one', async () => {
    const { store, server, clock, bodies } = await chatting();
    server.socket.die();
    store.write(BOB, 'one');
    store.write(BOB, 'two');
    await clock.advance(1_000);
    expect(server.requests('chat_sync').at(-1)?.cursors).toEqual([
      { conversation: ID, event_seq: 0 },
    ]);
    expect(bodies()).toEqual(['one', 'two']);
  });

  it('that arrive while a sync runs wait for it', async () => {
    const { store, server, clock, live, bodies, http } = await chatting();
    server.on('chat_sync', () => undefined);
    server.socket.die();
    await clock.advance(1_000);
    store.write(BOB, 'one');
    const sync = server.socket.sent.find((frame) => frame.op === 'chat_sync');
    live(store.write(BOB, 'two'));
    if (sync === undefined) {
      throw new Error('a sync was sent');
    }
    server.socket.answer(sync, {
      op: 'chat_sync',
      chat_epoch: 'epoch-1',
      conversations: [
        {
          conversation: ID,
          reset: false,
          events: store.events.slice(0, 1),
          more: false,
          receipts: [],
        },
      ],
    });
    await clock.advance(10);
    expect(bodies()).toEqual(['one', 'two']);
    expect(http.calls.filter(({ path }) => path.includes('/events'))).toHaveLength(0);
  });

  it('of an unknown kind move the cursor and nothing else', async () => {
    const { store, live, conversation, bodies } = await chatting();
    live({ conversation: ID, event_seq: 1, kind: 'poll_opened' } as unknown as ConversationEvent);
    store.events.push({ conversation: ID, event_seq: 1, kind: 'member_removed', user: 'nobody' });
    live(store.write(BOB, 'after'));
    expect(bodies()).toEqual(['after']);
    expect(conversation.cursor).toBe(2);
  });

  it('reload the conversation when the server says its numbers mean something else', async () => {
    const { store, server, clock, conversation, bodies } = await chatting((each) => {
      each.write(BOB, 'old');
    });
    store.events.length = 0;
    store.write(BOB, 'restored');
    server.on('chat_sync', () => ({
      op: 'chat_sync',
      chat_epoch: 'epoch-2',
      conversations: [{ conversation: ID, reset: false, events: [], more: false, receipts: [] }],
    }));
    server.socket.die();
    await clock.advance(1_000);
    expect(bodies()).toEqual(['restored']);
    expect(conversation.cursor).toBe(1);
  });

  it.each(['live', 'missed'])('that remove us, %s, end the conversation here', async (how) => {
    const { store, live, server, clock, chat } = await chatting();
    const event: ConversationEvent = {
      conversation: ID,
      event_seq: 1,
      kind: 'member_removed',
      user: ALICE.id,
    };
    store.events.push(event);
    if (how === 'live') {
      live(event);
    } else {
      server.socket.die();
    }
    await clock.advance(1_000);
    expect(chat.conversation(ID)).toBeUndefined();
  });

  it('of an unknown conversation make it known', async () => {
    const { http, chat, live, clock } = await chatting();
    const message = { ...new Store().head(), id: 'conversation-2', title: 'Carol' };
    http.on('GET /v1/conversations/conversation-2', () => ({ ...message, last_event: 1 }));
    live({
      conversation: 'conversation-2',
      event_seq: 1,
      kind: 'member_added',
      user: ALICE,
    });
    await clock.advance(10);
    expect(chat.conversation('conversation-2')?.title).toBe('Carol');
  });
});

describe('sending', () => {
  it('shows the message at once and its ticks as they come', async () => {
    const { conversation, server, clock } = await chatting();
    conversation.send('hello');
    expect(conversation.messages.map(({ status }) => status)).toEqual(['sending']);
    await clock.advance(10);
    expect(conversation.messages.map(({ status, seq }) => [status, seq])).toEqual([['sent', 1]]);
    const receipt = { conversation: ID, user: BOB.id, delivered: 1, read: 0 };
    server.notice({ kind: 'chat_receipt', receipt });
    expect(conversation.lastMessage?.status).toBe('delivered');
    server.notice({ kind: 'chat_receipt', receipt: { ...receipt, read: 1 } });
    expect(conversation.lastMessage?.status).toBe('read');
    expect(conversation.lastMessage?.readBy).toBe(1);
  });

  it('does not show a message twice when its event comes as well', async () => {
    const { conversation, store, live, clock, bodies } = await chatting();
    const key = conversation.send('hello');
    await clock.advance(10);
    live(store.events[0] as ConversationEvent);
    expect(bodies()).toEqual(['hello']);
    expect(conversation.messages[0]?.key).toBe(key);
  });

  it('does not show a message twice when its event comes before the answer', async () => {
    const { conversation, store, server, live, clock, bodies } = await chatting();
    server.on('chat_send', () => undefined);
    const key = conversation.send('hello');
    await clock.advance(10);
    live(store.write(ALICE, 'hello', key));
    const send = server.socket.sent.find((frame) => frame.op === 'chat_send');
    if (send === undefined) {
      throw new Error('a message was sent');
    }
    server.socket.answer(send, {
      op: 'chat_send',
      id: 'm-1',
      seq: 1,
      event_seq: 1,
      created_at: store.messages[0]?.created_at ?? '',
      duplicate: false,
    });
    await clock.advance(10);
    expect(bodies()).toEqual(['hello']);
    expect(conversation.lastMessage?.status).toBe('sent');
  });

  it('keeps an acknowledged message in sight while what is before it is fetched', async () => {
    const { conversation, store, clock, live, bodies } = await chatting();
    store.write(BOB, 'unseen');
    conversation.send('mine');
    await clock.advance(10);
    expect(bodies()).toEqual(['mine']);
    expect(conversation.lastMessage?.status).toBe('sent');
    live(store.events[1] as ConversationEvent);
    await clock.advance(10);
    expect(bodies()).toEqual(['unseen', 'mine']);
  });

  it('repeats with the same client id until it is acknowledged', async () => {
    const { conversation, server, store, clock, bodies } = await chatting();
    let attempt = 0;
    server.on('chat_send', ({ message }) => {
      attempt += 1;
      // Stored, but the answer is lost with the socket.
      store.write(ALICE, message.body, message.client_id);
      queueMicrotask(() => server.socket.die());
      return undefined;
    });
    conversation.send('hello');
    await clock.advance(1);
    server.on('chat_send', ({ message }) => {
      attempt += 1;
      const stored = store.stored(message.client_id);
      return {
        op: 'chat_send',
        id: stored?.id ?? '',
        seq: stored?.seq ?? 0,
        event_seq: 1,
        created_at: stored?.created_at ?? '',
        duplicate: true,
      };
    });
    await clock.advance(2_000);
    const ids = server.requests('chat_send').map(({ message }) => message.client_id);
    expect(new Set(ids).size).toBe(1);
    expect(bodies()).toEqual(['hello']);
    expect(conversation.lastMessage?.status).toBe('sent');
    expect(attempt).toBeGreaterThanOrEqual(1);
  });

  it('keeps the order in which messages were written', async () => {
    const { conversation, server, clock, store } = await chatting();
    server.welcoming = false;
    server.socket.die();
    for (const body of ['one', 'two', 'three']) {
      conversation.send(body);
    }
    server.welcoming = true;
    await clock.advance(20_000);
    expect(store.messages.map(({ body }) => body)).toEqual(['one', 'two', 'three']);
    expect(conversation.messages.map(({ status }) => status)).toEqual(['sent', 'sent', 'sent']);
  });

  it('waits as long as the server asks when there is too much', async () => {
    const { conversation, server, clock } = await chatting();
    server.on('chat_send', () => ({
      code: 'rate_limited',
      message: 'slow',
      retry_after_ms: 3_000,
    }));
    conversation.send('hello');
    await clock.advance(2_999);
    expect(server.requests('chat_send')).toHaveLength(1);
    await clock.advance(600);
    expect(server.requests('chat_send')).toHaveLength(2);
  });

  it('says why a message was refused, and lets the next ones pass', async () => {
    const { conversation, server, clock, store } = await chatting();
    server.on('chat_send', ({ message }) => {
      if (message.body === '') {
        return { code: 'invalid', message: 'empty', fields: { body: 'is empty' } };
      }
      const event = store.write(ALICE, message.body, message.client_id);
      return {
        op: 'chat_send',
        id: 'm',
        seq: store.messages.length,
        event_seq: event.event_seq,
        created_at: '',
        duplicate: false,
      };
    });
    const refused = conversation.send('');
    conversation.send('fine');
    await clock.advance(100);
    const failed = conversation.messages.find(({ key }) => key === refused);
    expect(failed?.status).toBe('failed');
    expect(failed?.error?.fields).toEqual({ body: 'is empty' });
    expect(store.messages.map(({ body }) => body)).toEqual(['fine']);
    conversation.discard(refused);
    expect(conversation.messages.map(({ body }) => body)).toEqual(['fine']);
  });

  it('tries a failed message again under the same client id', async () => {
    const { conversation, server, clock } = await chatting();
    server.on('chat_send', () => ({ code: 'forbidden', message: 'not now' }));
    const key = conversation.send('hello');
    await clock.advance(10);
    conversation.retry(key);
    await clock.advance(10);
    const ids = server.requests('chat_send').map(({ message }) => message.client_id);
    expect(ids).toEqual([key, key]);
  });
});

describe('receipts', () => {
  it('are sent for what has arrived, at most once a second', async () => {
    const { store, live, server, clock } = await chatting();
    for (let round = 0; round < 20; round += 1) {
      live(store.write(BOB, `m${round}`));
      await clock.advance(100);
    }
    await clock.advance(1_000);
    const marks = server.requests('chat_mark');
    expect(marks.length).toBeLessThanOrEqual(4);
    expect(marks.at(-1)).toMatchObject({ delivered: 20, read: 0 });
  });

  it('say that everything was read, and clear the badge at once', async () => {
    const { store, live, server, clock, conversation } = await chatting();
    live(store.write(BOB, 'one'));
    live(store.write(BOB, 'two'));
    conversation.markRead();
    expect(conversation.unread).toBe(0);
    await clock.advance(1_100);
    expect(server.requests('chat_mark').at(-1)).toMatchObject({ delivered: 2, read: 2 });
  });

  it('of another device of ours clear the badge too', async () => {
    const { store, live, server, conversation } = await chatting();
    live(store.write(BOB, 'one'));
    live(store.write(BOB, 'two'));
    const receipt = { conversation: ID, user: ALICE.id, delivered: 2, read: 1 };
    server.notice({ kind: 'chat_receipt', receipt });
    expect(conversation.unread).toBe(1);
  });

  it('that could not be sent are sent on the next socket', async () => {
    const { store, live, server, clock, conversation } = await chatting();
    live(store.write(BOB, 'one'));
    await clock.advance(2_000);
    server.welcoming = false;
    server.socket.die();
    conversation.markRead();
    await clock.advance(500);
    const before = server.requests('chat_mark').length;
    server.welcoming = true;
    await clock.advance(20_000);
    expect(server.requests('chat_mark').slice(before)).toMatchObject([{ read: 1 }]);
  });

  it('never go back', async () => {
    const { conversation, server, clock } = await chatting();
    conversation.send('hello');
    await clock.advance(10);
    const receipt = { conversation: ID, user: BOB.id, delivered: 1, read: 1 };
    server.notice({ kind: 'chat_receipt', receipt });
    server.notice({ kind: 'chat_receipt', receipt: { ...receipt, delivered: 0, read: 0 } });
    expect(conversation.lastMessage?.status).toBe('read');
  });

  it('of somebody who came later are not awaited for what was said before', async () => {
    const { conversation, server, clock, store, live } = await chatting();
    conversation.send('hello');
    await clock.advance(10);
    server.notice({
      kind: 'chat_receipt',
      receipt: { conversation: ID, user: BOB.id, delivered: 1, read: 1 },
    });
    const carol = { id: 'user-carol', name: 'Carol', guest: true };
    const event: ConversationEvent = {
      conversation: ID,
      event_seq: store.events.length + 1,
      kind: 'member_added',
      user: carol,
    };
    store.events.push(event);
    live(event);
    expect(conversation.lastMessage?.status).toBe('read');
    expect(conversation.members.map(({ user }) => user.name)).toContain('Carol');
  });
});

describe('history', () => {
  it('is fetched a page at a time, without holes, until the first message', async () => {
    const { conversation, store } = await chatting((each) => {
      for (let index = 0; index < 120; index += 1) {
        each.write(BOB, `m${index}`);
      }
    });
    expect(conversation.messages).toHaveLength(1);
    while (await conversation.loadMore()) {
      // Each page brings fifty.
    }
    expect(conversation.messages.map(({ seq }) => seq)).toEqual(
      store.messages.map(({ seq }) => seq),
    );
    expect(conversation.hasMore).toBe(false);
  });

  it('is fetched once, however often it is asked for', async () => {
    const { conversation, server } = await chatting((each) => {
      for (let index = 0; index < 120; index += 1) {
        each.write(BOB, `m${index}`);
      }
    });
    await Promise.all([conversation.loadMore(), conversation.loadMore()]);
    expect(server.requests('chat_history')).toHaveLength(1);
  });

  it('leaves message objects alone that did not change', async () => {
    const { conversation, store, live } = await chatting();
    live(store.write(BOB, 'one'));
    const [first] = conversation.messages;
    live(store.write(BOB, 'two'));
    expect(conversation.messages[0]).toBe(first);
  });
});

describe('typing', () => {
  it('is shown until it fades or the message comes', async () => {
    const { conversation, server, store, live, clock } = await chatting();
    const typing = { kind: 'chat_typing' as const, conversation: ID, user: BOB.id };
    server.notice(typing);
    expect(conversation.typing).toEqual([BOB]);
    await clock.advance(5_000);
    expect(conversation.typing).toEqual([]);
    server.notice(typing);
    live(store.write(BOB, 'done'));
    expect(conversation.typing).toEqual([]);
  });

  it('is told at most every three seconds', async () => {
    const { conversation, server, clock } = await chatting();
    for (let key = 0; key < 50; key += 1) {
      conversation.sendTyping();
      await clock.advance(100);
    }
    expect(server.requests('chat_typing')).toHaveLength(2);
  });
});

describe('a chat', () => {
  it('tries its first sync again when the server could not answer it', async () => {
    const platform = new FakePlatform();
    let tries = 0;
    platform.http.on('GET /v1/conversations', () => {
      tries += 1;
      return tries === 1 ? problem(503, 'unavailable') : { conversations: [] };
    });
    platform.server.on('chat_sync', () => ({
      op: 'chat_sync',
      chat_epoch: 'e',
      conversations: [],
    }));
    const client = new ConferClient({ platform, token: async () => 'token' });
    await client.connect();
    await settle();
    expect(client.chat.ready).toBe(false);
    await platform.clock.advance(2_100);
    expect(client.chat.ready).toBe(true);
  });

  it('shows nothing of one person to the next', async () => {
    const { chat, server, clock, http } = await chatting();
    server.user = BOB;
    http.on('GET /v1/conversations', () => ({ conversations: [] }));
    server.socket.die();
    await clock.advance(1_000);
    expect(chat.conversations).toEqual([]);
  });
});

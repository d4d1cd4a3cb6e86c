import { describe, expect, it } from 'vitest';
import { ConferClient } from '../src/client.js';
import type { ConversationEvent } from '../src/protocol.gen.js';
import { chatting, ID, Store } from './fakes/chat.js';
import { settle } from './fakes/clock.js';
import { ALICE, BOB, FakePlatform, problem } from './fakes/platform.js';

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

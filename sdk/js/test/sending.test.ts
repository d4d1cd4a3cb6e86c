import { describe, expect, it } from 'vitest';
import type { ConversationEvent } from '../src/protocol.gen.js';
import { chatting, ID } from './fakes/chat.js';
import { ALICE, BOB } from './fakes/platform.js';

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

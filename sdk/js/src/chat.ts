/**
 * Every conversation of the user, kept complete across lost connections.
 *
 * The first connection loads the heads; every connection then asks for what came after the cursors
 * and hears live events from there on. A hole in the numbering is fetched, never skipped.
 */

import type { Api } from './api.js';
import { ChatConversation, type ConversationOwner } from './conversation.js';
import { ConferError } from './errors.js';
import { type ChangeEvents, Emitter } from './events.js';
import type { ChatMessage } from './message-view.js';
import type { Platform } from './platform.js';
import type {
  CatchUp,
  Conversation,
  ConversationEvent,
  ConversationId,
  Notice,
  UserInfo,
} from './protocol.gen.js';
import type { Signal } from './signal.js';

/** Live events kept while a sync runs; beyond this the sync is done again. */
const EARLY_CAPACITY = 1_000;
/** Pause before a sync that failed for no fault of the connection is tried again. */
const SYNC_PAUSE_MS = 2_000;

/** What [`Chat`] tells. */
export interface ChatEvents extends ChangeEvents {
  /** Somebody else wrote something, just now. */
  message: { conversation: ChatConversation; message: ChatMessage };
}

type ChatNotice = Extract<Notice, { kind: 'chat_event' | 'chat_receipt' | 'chat_typing' }>;

/** The chat of one user. */
export class Chat extends Emitter<ChatEvents> {
  readonly #platform: Platform;
  readonly #api: Api;
  readonly #signal: Signal;
  readonly #conversations = new Map<ConversationId, ChatConversation>();
  readonly #filling = new Map<ConversationId, Promise<void>>();
  #self: UserInfo | null = null;
  #epoch: string | null = null;
  #loaded = false;
  #ready = false;
  /** Notices that came while a sync ran. */
  #early: ChatNotice[] | null = null;
  /** Grows with each sync and when the user changes: what an older one brings is dropped. */
  #generation = 0;

  /** @internal */
  constructor(platform: Platform, api: Api, signal: Signal) {
    super();
    this.#platform = platform;
    this.#api = api;
    this.#signal = signal;
    signal.on('connected', (welcome) => {
      this.#become(welcome.user);
      void this.#sync();
    });
    signal.on('notice', (notice) => {
      if (
        notice.kind === 'chat_event' ||
        notice.kind === 'chat_receipt' ||
        notice.kind === 'chat_typing'
      ) {
        this.#noticed(notice);
      }
    });
    signal.on('disconnected', () => {
      this.#generation += 1;
      this.#ready = false;
      this.changed();
    });
  }

  /** Everything the server had at the last connection is here. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The conversation that was written in last comes first. */
  get conversations(): ChatConversation[] {
    const activity = (each: ChatConversation) => each.lastMessage?.createdAt ?? '';
    return [...this.#conversations.values()].sort(
      (a, b) => activity(b).localeCompare(activity(a)) || a.title.localeCompare(b.title),
    );
  }

  /** Unread messages of all conversations. */
  get unread(): number {
    return [...this.#conversations.values()].reduce((sum, each) => sum + each.unread, 0);
  }

  /** A conversation that is known here. A room's has the room's id. */
  conversation(id: ConversationId): ChatConversation | undefined {
    return this.#conversations.get(id);
  }

  /** The same, fetched if it is not known yet. */
  async open(id: ConversationId): Promise<ChatConversation> {
    return this.#conversations.get(id) ?? this.#adopt(await this.#api.conversation(id));
  }

  /** The conversation with the account of this address. */
  async openDirect(email: string): Promise<ChatConversation> {
    return this.#adopt(await this.#api.openDirect(email));
  }

  /** @internal Nobody is signed in any more. */
  clear(): void {
    this.#generation += 1;
    for (const conversation of this.#conversations.values()) {
      conversation.close();
    }
    this.#conversations.clear();
    this.#filling.clear();
    this.#self = null;
    this.#epoch = null;
    this.#loaded = false;
    this.#ready = false;
    this.#early = null;
    this.changed();
  }

  #become(user: UserInfo): void {
    if (this.#self !== null && this.#self.id !== user.id) {
      this.clear();
    }
    this.#self = user;
  }

  async #sync(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    const current = () => generation === this.#generation;
    this.#early = [];
    try {
      if (!this.#loaded) {
        const heads = await this.#api.conversations();
        if (!current()) {
          return;
        }
        for (const head of heads) {
          this.#adopt(head);
        }
        this.#loaded = true;
        // Enough to show; what happened since the heads were read follows.
        this.changed();
      }
      const synced = await this.#signal.request<'chat_sync'>({
        op: 'chat_sync',
        chat_epoch: this.#epoch,
        cursors: [...this.#conversations.values()].map((each) => ({
          conversation: each.id,
          event_seq: each.cursor,
        })),
      });
      if (!current()) {
        return;
      }
      const reused = this.#epoch !== null && this.#epoch !== synced.chat_epoch;
      this.#epoch = synced.chat_epoch;
      await Promise.all(synced.conversations.map((each) => this.#catchUp(each, reused)));
      if (!current()) {
        return;
      }
      this.#ready = true;
      this.#releaseEarly();
      for (const conversation of this.#conversations.values()) {
        conversation.flush();
      }
      this.changed();
    } catch (error) {
      if (current()) {
        this.#syncFailed(error);
      }
    }
  }

  #syncFailed(error: unknown): void {
    if (this.#signal.state !== 'connected') {
      return;
    }
    const generation = this.#generation;
    const wait = error instanceof ConferError ? error.retryAfterMs : undefined;
    this.#platform.setTimer(() => {
      if (generation === this.#generation) {
        void this.#sync();
      }
    }, wait ?? SYNC_PAUSE_MS);
  }

  async #catchUp(catchUp: CatchUp, reused: boolean): Promise<void> {
    const known = this.#conversations.get(catchUp.conversation);
    if (known === undefined) {
      this.#adopt(await this.#api.conversation(catchUp.conversation));
      return;
    }
    if (catchUp.reset || reused) {
      known.reset(await this.#api.conversation(catchUp.conversation));
      return;
    }
    if (catchUp.events.some((event) => this.#removesUs(event))) {
      this.#forget(known);
      return;
    }
    const holes = catchUp.events.filter((event) => known.apply(event) === 'hole');
    if (catchUp.more || holes.length > 0) {
      await this.#fill(known);
    }
    for (const receipt of catchUp.receipts) {
      known.receipt(receipt);
    }
  }

  #releaseEarly(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const notice of early) {
      this.#noticed(notice);
    }
  }

  #noticed(notice: ChatNotice): void {
    if (this.#early !== null) {
      this.#early.push(notice);
      if (this.#early.length > EARLY_CAPACITY) {
        void this.#sync();
      }
      return;
    }
    switch (notice.kind) {
      case 'chat_event':
        this.#happened(notice.event);
        return;
      case 'chat_receipt':
        this.#conversations.get(notice.receipt.conversation)?.receipt(notice.receipt);
        return;
      case 'chat_typing':
        this.#conversations.get(notice.conversation)?.typed(notice.user);
        return;
    }
    notice satisfies never;
  }

  #happened(event: ConversationEvent): void {
    const conversation = this.#conversations.get(event.conversation);
    if (conversation === undefined) {
      // Somebody added us, or wrote to us for the first time.
      void this.#discover(event);
      return;
    }
    if (this.#removesUs(event)) {
      this.#forget(conversation);
      return;
    }
    const applied = conversation.apply(event);
    if (applied === 'hole') {
      void this.#fill(conversation).catch(() => this.#signal.restart());
    } else if (applied === 'applied') {
      this.#announce(conversation, event);
    }
  }

  async #discover(event: ConversationEvent): Promise<void> {
    try {
      const conversation = await this.open(event.conversation);
      this.#announce(conversation, event);
    } catch {
      // Gone again, or unreachable: the next sync names it if it is still there.
    }
  }

  #removesUs(event: ConversationEvent): boolean {
    return event.kind === 'member_removed' && event.user === this.#self?.id;
  }

  #forget(conversation: ChatConversation): void {
    conversation.close();
    this.#conversations.delete(conversation.id);
    this.changed();
  }

  #announce(conversation: ChatConversation, event: ConversationEvent): void {
    if (event.kind === 'message_sent' && event.message.sender.id !== this.#self?.id) {
      const { seq } = event.message;
      const message = conversation.messages.findLast((each) => each.seq === seq);
      if (message !== undefined) {
        this.emit('message', { conversation, message });
      }
    }
  }

  /** Fetches everything after the cursor, once however many ask. */
  #fill(conversation: ChatConversation): Promise<void> {
    const running = this.#filling.get(conversation.id);
    if (running !== undefined) {
      return running;
    }
    const filling = this.#fetchAfter(conversation).finally(() => {
      this.#filling.delete(conversation.id);
    });
    this.#filling.set(conversation.id, filling);
    return filling;
  }

  async #fetchAfter(conversation: ChatConversation): Promise<void> {
    let more = true;
    while (more) {
      const before = conversation.cursor;
      const page = await this.#api.events(conversation.id, before);
      for (const event of page.events) {
        if (conversation.apply(event) === 'applied') {
          this.#announce(conversation, event);
        }
      }
      // A page that moves nothing ends this: asking again would ask for ever.
      more = page.more && conversation.cursor > before;
    }
  }

  #adopt(head: Conversation): ChatConversation {
    const known = this.#conversations.get(head.id);
    if (known !== undefined) {
      return known;
    }
    const conversation = new ChatConversation(this.#owner(), head);
    conversation.on('change', () => this.changed());
    this.#conversations.set(head.id, conversation);
    this.changed();
    return conversation;
  }

  #owner(): ConversationOwner {
    const self = this.#self;
    if (self === null) {
      throw new ConferError('unauthenticated', 'Nobody is signed in.');
    }
    return {
      platform: this.#platform,
      self,
      send: (conversation, message) =>
        this.#signal.request<'chat_send'>({ op: 'chat_send', conversation, message }),
      history: async (conversation, query) => {
        await this.#signal.connected();
        return this.#signal.request<'chat_history'>({ op: 'chat_history', conversation, query });
      },
      mark: async (conversation, { delivered, read }) => {
        await this.#signal.request<'chat_mark'>({ op: 'chat_mark', conversation, delivered, read });
      },
      typing: (conversation) => {
        this.#signal
          .request<'chat_typing'>({ op: 'chat_typing', conversation })
          .catch(() => undefined);
      },
    };
  }
}

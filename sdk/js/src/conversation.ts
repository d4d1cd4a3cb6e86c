/**
 * One conversation as this client knows it: messages in order, who is how far, what is unsent.
 *
 * Events are applied exactly once: each carries the number after the one before it, and one that
 * does not is either old (dropped) or ahead of a hole (fetched by [`Chat`](./chat.ts)).
 */

import { type ChangeEvents, Emitter } from './events.js';
import { type ChatMessage, showOutgoing, showStored, unchanged } from './message-view.js';
import { Outbox, type OutgoingMessage } from './outbox.js';
import type { Platform, TimerId } from './platform.js';
import type {
  ClientMessageId,
  Conversation,
  ConversationEvent,
  ConversationId,
  ConversationKind,
  EventSeq,
  HistoryPage,
  HistoryQuery,
  Member,
  Message,
  MessageSeq,
  NewMessage,
  Receipt,
  SendReceipt,
  UserId,
  UserInfo,
} from './protocol.gen.js';
import { type Mark, ReceiptSender } from './receipts.js';

/** Messages of one page of history. */
const PAGE = 50;
/** "… is typing" fades by itself. */
const TYPING_SHOWN_MS = 5_000;
/** While somebody types, others are told this often. */
const TYPING_TOLD_MS = 3_000;

/** What a conversation needs of its chat. */
export interface ConversationOwner {
  readonly platform: Platform;
  readonly self: UserInfo;
  send(conversation: ConversationId, message: NewMessage): Promise<SendReceipt>;
  history(conversation: ConversationId, query: HistoryQuery): Promise<HistoryPage>;
  mark(conversation: ConversationId, mark: Mark): Promise<void>;
  typing(conversation: ConversationId): void;
}

/** What became of an event. */
export type Applied = 'applied' | 'old' | 'hole';

/** Emits `change` whenever anything about it is different. */
export class ChatConversation extends Emitter<ChangeEvents> {
  readonly id: ConversationId;
  readonly kind: ConversationKind;
  readonly #owner: ConversationOwner;
  readonly #outbox: Outbox;
  readonly #receipts: ReceiptSender;
  readonly #members = new Map<UserId, Member>();
  readonly #typing = new Map<UserId, TimerId>();
  /** Acknowledged messages whose place in the order is not reached yet. */
  readonly #ahead = new Map<ClientMessageId, { message: OutgoingMessage; receipt: SendReceipt }>();
  /** Without a hole from the oldest to the newest. */
  #stored: Message[] = [];
  #shown = new Map<ClientMessageId, ChatMessage>();
  #view: readonly ChatMessage[] | null = null;
  #title: string;
  #cursor: EventSeq = 0;
  #lastSeq: MessageSeq = 0;
  #unread = 0;
  #loading: Promise<boolean> | null = null;
  #typingToldAt = Number.NEGATIVE_INFINITY;

  /** @internal */
  constructor(owner: ConversationOwner, head: Conversation) {
    super();
    this.id = head.id;
    this.kind = head.kind;
    this.#title = head.title;
    this.#owner = owner;
    this.#outbox = new Outbox(owner.platform, (message) => owner.send(this.id, message), {
      acknowledged: (message, receipt) => this.#acknowledged(message, receipt),
      changed: () => this.#touch(),
    });
    this.#receipts = new ReceiptSender(owner.platform, (mark) => owner.mark(this.id, mark));
    this.reset(head);
  }

  /** The room's name, or the other person's. */
  get title(): string {
    return this.#title;
  }

  /** In order: what is stored, then what is on its way. */
  get messages(): readonly ChatMessage[] {
    this.#view ??= this.#render();
    return this.#view;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** Messages of others after our own read cursor. */
  get unread(): number {
    return this.#unread;
  }

  /** The first message that is unread, for a divider. */
  get readCursor(): MessageSeq {
    return this.#members.get(this.#owner.self.id)?.read ?? 0;
  }

  get lastSeq(): MessageSeq {
    return this.#lastSeq;
  }

  /** The newest message, if there is one. */
  get lastMessage(): ChatMessage | undefined {
    return this.messages.at(-1);
  }

  /** Who types now, without ourselves. */
  get typing(): UserInfo[] {
    return [...this.#typing.keys()].flatMap((user) => this.#members.get(user)?.user ?? []);
  }

  /** Whether there are older messages than those here. */
  get hasMore(): boolean {
    return (this.#stored[0]?.seq ?? this.#lastSeq + 1) > 1;
  }

  /** Fetches the page before the oldest message here; says whether there are still more. */
  loadMore(): Promise<boolean> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  /** Sends a message. It is shown at once, and retried until the server has stored it. */
  send(body: string, options: { replyTo?: MessageSeq | undefined } = {}): ClientMessageId {
    return this.#outbox.add(body, options.replyTo).clientId;
  }

  /** Tries a failed message again. */
  retry(key: ClientMessageId): void {
    this.#outbox.retry(key);
  }

  /** Forgets a failed message. */
  discard(key: ClientMessageId): void {
    this.#outbox.discard(key);
  }

  /** Everything here was seen. */
  markRead(): void {
    this.#advance(this.#owner.self.id, { delivered: this.#lastSeq, read: this.#lastSeq });
    this.#receipts.mark({ read: this.#lastSeq });
  }

  /** Tells the others that something is being written; call it with every key. */
  sendTyping(): void {
    const now = this.#owner.platform.now();
    if (now - this.#typingToldAt >= TYPING_TOLD_MS) {
      this.#typingToldAt = now;
      this.#owner.typing(this.id);
    }
  }

  /** @internal The last event that was applied. */
  get cursor(): EventSeq {
    return this.#cursor;
  }

  /** @internal Discards what is stored and starts from `head`; what is unsent stays. */
  reset(head: Conversation): void {
    this.#title = head.title;
    this.#cursor = head.last_event;
    this.#lastSeq = head.last_seq;
    this.#unread = head.unread;
    this.#stored = head.last_message === null ? [] : [head.last_message];
    this.#members.clear();
    for (const member of head.members) {
      this.#members.set(member.user.id, member);
    }
    if (head.last_message !== null) {
      this.#outbox.confirmed(head.last_message.client_id);
    }
    const self = this.#members.get(this.#owner.self.id);
    if (self !== undefined) {
      this.#receipts.known(self);
    }
    // What the head names can be loaded from here on: that is delivery.
    this.#receipts.mark({ delivered: this.#lastSeq });
    this.#touch();
  }

  /** @internal Applies one event if it is the next one. */
  apply(event: ConversationEvent): Applied {
    if (event.event_seq <= this.#cursor) {
      return 'old';
    }
    if (event.event_seq !== this.#cursor + 1) {
      return 'hole';
    }
    this.#cursor = event.event_seq;
    switch (event.kind) {
      case 'message_sent':
        this.#store(event.message);
        break;
      case 'member_added':
        // A newcomer owes nothing for what was said before.
        if (!this.#members.has(event.user.id)) {
          const seen = { delivered: this.#lastSeq, read: this.#lastSeq };
          this.#members.set(event.user.id, { user: event.user, ...seen });
        }
        break;
      case 'member_removed':
        this.#members.delete(event.user);
        break;
      default:
        // A later server's change: the cursor moves, nothing else.
        event satisfies never;
    }
    this.#touch();
    return 'applied';
  }

  /** @internal Somebody is further now. */
  receipt(receipt: Receipt): void {
    this.#advance(receipt.user, receipt);
    if (receipt.user === this.#owner.self.id) {
      this.#receipts.known(receipt);
    }
  }

  /** @internal Somebody types. */
  typed(user: UserId): void {
    if (user === this.#owner.self.id) {
      return;
    }
    const { platform } = this.#owner;
    platform.clearTimer(this.#typing.get(user));
    this.#typing.set(
      user,
      platform.setTimer(() => this.#stoppedTyping(user), TYPING_SHOWN_MS),
    );
    this.#touch();
  }

  /** @internal There is a connection again. */
  flush(): void {
    this.#outbox.flush();
    this.#receipts.flush();
  }

  /** @internal */
  close(): void {
    this.#outbox.close();
    this.#receipts.close();
    for (const timer of this.#typing.values()) {
      this.#owner.platform.clearTimer(timer);
    }
    this.#typing.clear();
  }

  async #load(): Promise<boolean> {
    if (!this.hasMore) {
      return false;
    }
    const before = this.#stored[0]?.seq;
    const query = before === undefined ? { limit: PAGE } : { before, limit: PAGE };
    const page = await this.#owner.history(this.id, query);
    // A reset meanwhile may have moved the oldest message: keep only what joins without a hole.
    const oldest = this.#stored[0]?.seq ?? Number.POSITIVE_INFINITY;
    const older = page.messages.filter((message) => message.seq < oldest);
    const newest = older.at(-1)?.seq;
    if (newest !== undefined && (oldest === Number.POSITIVE_INFINITY || newest + 1 === oldest)) {
      this.#stored = [...older, ...this.#stored];
      for (const message of older) {
        this.#outbox.confirmed(message.client_id);
      }
      this.#touch();
    }
    return this.hasMore;
  }

  #store(message: Message): void {
    this.#outbox.confirmed(message.client_id);
    this.#stoppedTyping(message.sender.id);
    this.#lastSeq = Math.max(this.#lastSeq, message.seq);
    if ((this.#stored.at(-1)?.seq ?? 0) < message.seq) {
      this.#stored = [...this.#stored, message];
    }
    if (message.sender.id === this.#owner.self.id) {
      // The server counts writing as having read what came before.
      this.#receipts.known({ delivered: message.seq, read: message.seq });
    } else {
      this.#unread += 1;
      this.#receipts.mark({ delivered: message.seq });
    }
    this.#advance(message.sender.id, { delivered: message.seq, read: message.seq });
  }

  /** Own messages are shown as sent once acknowledged, even before their event is here. */
  #acknowledged(message: OutgoingMessage, receipt: SendReceipt): void {
    if (receipt.seq === this.#lastSeq + 1 && receipt.event_seq === this.#cursor + 1) {
      this.apply({
        conversation: this.id,
        event_seq: receipt.event_seq,
        kind: 'message_sent',
        message: {
          id: receipt.id,
          conversation: this.id,
          seq: receipt.seq,
          client_id: message.clientId,
          sender: this.#owner.self,
          body: message.body,
          ...(message.replyTo === undefined ? {} : { reply_to: message.replyTo }),
          created_at: receipt.created_at,
        },
      });
      return;
    }
    this.#ahead.set(message.clientId, { message, receipt });
    this.#touch();
  }

  #advance(user: UserId, mark: Mark): void {
    const member = this.#members.get(user);
    if (member === undefined || (mark.delivered <= member.delivered && mark.read <= member.read)) {
      return;
    }
    const read = Math.max(member.read, mark.read);
    const delivered = Math.max(member.delivered, mark.delivered, read);
    this.#members.set(user, { ...member, delivered, read });
    if (user === this.#owner.self.id) {
      this.#countUnread(read);
    }
    this.#touch();
  }

  #countUnread(read: MessageSeq): void {
    const oldest = this.#stored[0]?.seq ?? this.#lastSeq + 1;
    const after = this.#stored.filter(
      (message) => message.seq > read && message.sender.id !== this.#owner.self.id,
    ).length;
    // Of messages that are not here only their number is known, not whose they are.
    const unseen = Math.max(0, oldest - 1 - read);
    this.#unread = Math.min(this.#unread, after + unseen);
  }

  #stoppedTyping(user: UserId): void {
    const timer = this.#typing.get(user);
    if (timer !== undefined) {
      this.#owner.platform.clearTimer(timer);
      this.#typing.delete(user);
      this.#touch();
    }
  }

  #render(): readonly ChatMessage[] {
    for (const message of this.#stored) {
      this.#ahead.delete(message.client_id);
    }
    const { self } = this.#owner;
    const { members } = this;
    const view = [
      ...this.#stored.map((message) => showStored(message, members, self)),
      ...[...this.#ahead.values()].map(({ message, receipt }) =>
        showOutgoing(message, receipt, self),
      ),
      ...this.#outbox.messages.map((message) => showOutgoing(message, null, self)),
    ].map((message) => unchanged(this.#shown.get(message.key), message));
    this.#shown = new Map(view.map((message) => [message.key, message]));
    return view;
  }

  #touch(): void {
    this.#view = null;
    this.changed();
  }
}

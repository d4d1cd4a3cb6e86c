/**
 * Messages on their way to the server, one at a time and in order, until each is acknowledged.
 *
 * A retry carries the same client id, by which the server recognises it: however often a message is
 * sent, it is stored once.
 */

import { Backoff } from './backoff.js';
import { ConferError, hasCode } from './errors.js';
import type { Platform, TimerId } from './platform.js';
import type { ClientMessageId, MessageSeq, NewMessage, SendReceipt } from './protocol.gen.js';

/** Unsent messages of one conversation at most; the next one fails at once. */
export const OUTBOX_CAPACITY = 200;
/** A server that answers but cannot store gets so many tries. */
const REFUSAL_TRIES = 6;

/** A message that the server has not acknowledged. */
export interface OutgoingMessage {
  clientId: ClientMessageId;
  body: string;
  replyTo: MessageSeq | undefined;
  /** RFC 3339, by this machine's clock, until the server says when. */
  createdAt: string;
  /** Why it was given up; until then it is on its way. */
  error: ConferError | undefined;
}

/** The unsent messages of one conversation. */
export class Outbox {
  readonly #platform: Platform;
  readonly #send: (message: NewMessage) => Promise<SendReceipt>;
  readonly #acknowledged: (message: OutgoingMessage, receipt: SendReceipt) => void;
  readonly #changed: () => void;
  readonly #backoff: Backoff;
  readonly #messages = new Map<ClientMessageId, OutgoingMessage>();
  #refusals = 0;
  #sending = false;
  #closed = false;
  #timer: TimerId = null;

  constructor(
    platform: Platform,
    send: (message: NewMessage) => Promise<SendReceipt>,
    on: {
      acknowledged: (message: OutgoingMessage, receipt: SendReceipt) => void;
      changed: () => void;
    },
  ) {
    this.#platform = platform;
    this.#send = send;
    this.#acknowledged = on.acknowledged;
    this.#changed = on.changed;
    this.#backoff = new Backoff(() => platform.random());
  }

  /** In the order they were written. */
  get messages(): OutgoingMessage[] {
    return [...this.#messages.values()];
  }

  /** Takes a message to be sent. */
  add(body: string, replyTo: MessageSeq | undefined): OutgoingMessage {
    const message: OutgoingMessage = {
      clientId: this.#platform.uuid(),
      body,
      replyTo,
      createdAt: new Date(this.#platform.wallClock()).toISOString(),
      error: undefined,
    };
    if (this.#messages.size >= OUTBOX_CAPACITY) {
      message.error = new ConferError('rate_limited', 'Too many messages are waiting to be sent.');
    }
    this.#messages.set(message.clientId, message);
    this.#changed();
    this.flush();
    return message;
  }

  /** Tries a given-up message again, with the same client id, behind those that wait. */
  retry(clientId: ClientMessageId): void {
    const message = this.#messages.get(clientId);
    if (message?.error !== undefined) {
      this.#messages.delete(clientId);
      this.#messages.set(clientId, { ...message, error: undefined });
      this.#changed();
      this.flush();
    }
  }

  /** Forgets a message that was given up. */
  discard(clientId: ClientMessageId): void {
    if (this.#messages.get(clientId)?.error !== undefined) {
      this.#messages.delete(clientId);
      this.#changed();
    }
  }

  /** The message is stored: an event of the conversation carried it. */
  confirmed(clientId: ClientMessageId): boolean {
    return this.#messages.delete(clientId);
  }

  /** Sends what waits; called again whenever there is a new connection. */
  flush(): void {
    if (this.#sending || this.#closed) {
      return;
    }
    this.#platform.clearTimer(this.#timer);
    this.#timer = null;
    const next = this.messages.find((message) => message.error === undefined);
    if (next !== undefined) {
      this.#sending = true;
      void this.#deliver(next);
    }
  }

  close(): void {
    this.#closed = true;
    this.#platform.clearTimer(this.#timer);
  }

  async #deliver(message: OutgoingMessage): Promise<void> {
    const { clientId, body, replyTo } = message;
    let failure: unknown;
    try {
      const receipt = await this.#send({
        client_id: clientId,
        body,
        ...(replyTo === undefined ? {} : { reply_to: replyTo }),
      });
      this.#backoff.reset();
      this.#refusals = 0;
      if (this.#messages.delete(clientId)) {
        this.#acknowledged(message, receipt);
      }
    } catch (error) {
      failure = error;
    }
    this.#sending = false;
    if (failure === undefined) {
      this.flush();
    } else {
      this.#failed(clientId, failure);
    }
  }

  #failed(clientId: ClientMessageId, failure: unknown): void {
    const message = this.#messages.get(clientId);
    if (hasCode(failure, 'connection_lost', 'network', 'closed')) {
      // The next sync flushes.
      return;
    }
    this.#refusals += 1;
    const error =
      failure instanceof ConferError
        ? failure
        : new ConferError('internal', 'The message could not be sent.', { cause: failure });
    if (error.retryable && this.#refusals < REFUSAL_TRIES) {
      this.#timer = this.#platform.setTimer(
        () => this.flush(),
        this.#backoff.next(error.retryAfterMs),
      );
      return;
    }
    this.#refusals = 0;
    if (message !== undefined) {
      this.#messages.set(clientId, { ...message, error });
      this.#changed();
    }
    this.flush();
  }
}

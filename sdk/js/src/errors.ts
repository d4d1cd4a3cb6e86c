/** Every failure of this library is a [`ConferError`] with a code that programs can switch on. */

import type { ErrorBody, ErrorCode } from './protocol.gen.js';

/** Codes for what never reached a server or never came back, beside the server's own codes. */
export type ClientErrorCode =
  /** No answer from the server: offline, or the server is down. */
  | 'network'
  /** The socket went away before the answer came. The request may or may not have been done. */
  | 'connection_lost'
  /** The answer took too long. */
  | 'timeout'
  /** The call or the client was closed meanwhile. */
  | 'closed'
  /** This page may not use camera or microphone: not HTTPS, or no such interface here. */
  | 'media_unsupported'
  /** The person or the system said no to camera, microphone or screen. */
  | 'media_denied'
  /** No such camera or microphone. */
  | 'media_not_found'
  /** Another program uses the device. */
  | 'media_in_use'
  /** The browser refused what was asked of its WebRTC interface. */
  | 'media_failed';

/** Why something failed, for programs. */
export type ConferErrorCode = ErrorCode | ClientErrorCode;

/** What went wrong, with the field that is at fault where there is one. */
export class ConferError extends Error {
  override readonly name = 'ConferError';
  readonly code: ConferErrorCode;
  /** Offending field to what is wrong with it. */
  readonly fields: Readonly<Record<string, string>>;
  /** When to try again, if the server said so. */
  readonly retryAfterMs: number | undefined;
  /** Quote it in a bug report: the server's log line carries it. */
  readonly requestId: string | undefined;

  constructor(code: ConferErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fields = details.fields ?? {};
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId;
  }

  /** The server's refusal as an error. */
  static from(body: ErrorBody, requestId?: string): ConferError {
    return new ConferError(body.code, body.message, {
      fields: body.fields,
      retryAfterMs: body.retry_after_ms,
      requestId,
    });
  }

  /** Whether the same request may succeed later without anybody changing anything. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

interface ErrorDetails {
  fields?: Record<string, string> | undefined;
  retryAfterMs?: number | undefined;
  requestId?: string | undefined;
  cause?: unknown;
}

const RETRYABLE: ReadonlySet<ConferErrorCode> = new Set([
  'network',
  'connection_lost',
  'timeout',
  'rate_limited',
  'unavailable',
  'draining',
  // A bug met by chance; the outbox gives up on it after its own number of tries.
  'internal',
]);

/** Whether `error` is a refusal with this code. */
export function hasCode(error: unknown, ...codes: ConferErrorCode[]): error is ConferError {
  return error instanceof ConferError && codes.includes(error.code);
}

/** A browser's media exception as one of ours. */
export function mediaError(cause: unknown): ConferError {
  const name = cause instanceof Error || isNamed(cause) ? cause.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new ConferError('media_denied', 'Permission was denied.', { cause });
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new ConferError('media_not_found', 'No such device was found.', { cause });
    case 'NotReadableError':
    case 'AbortError':
      return new ConferError('media_in_use', 'The device cannot be used right now.', { cause });
    default:
      return new ConferError('media_failed', 'The media interface refused.', { cause });
  }
}

function isNamed(value: unknown): value is { name: string } {
  return typeof value === 'object' && value !== null && 'name' in value;
}

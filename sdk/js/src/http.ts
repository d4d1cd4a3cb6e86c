/** Requests to `/v1`: the token in front, problems turned into errors, one retry with a fresh token. */

import { ConferError, hasCode } from './errors.js';
import type { Platform } from './platform.js';
import type { ErrorBody, Problem } from './protocol.gen.js';
import { ERROR_CODES } from './protocol.gen.js';

/** What hands out access tokens: an account's session, or the page's own back end. */
export interface TokenSource {
  /** A token that is good for a while yet. */
  token(): Promise<string>;
  /** A newer token than `stale`, which the server refused or is about to. */
  renew(stale: string): Promise<string>;
}

/** One request, ready to be sent. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the server's address, beginning with `/v1`. */
  path: string;
  body?: object;
}

/** Sends requests without anybody's identity; cookies travel only here. */
export class Http {
  readonly #platform: Platform;
  readonly #base: string;

  constructor(platform: Platform, base: string) {
    this.#platform = platform;
    this.#base = base;
  }

  /** Sends with the refresh cookie and without a token: what signing in needs. */
  anonymous<T>(request: HttpRequest): Promise<T> {
    return this.#send(request, {
      credentials: 'include',
      // Its mere presence proves that no foreign form sent this.
      headers: { 'X-Confer-Client': 'sdk-js' },
    });
  }

  /** Sends with a token. */
  async authorized<T>(request: HttpRequest, tokens: TokenSource): Promise<T> {
    const token = await tokens.token();
    try {
      return await this.#send<T>(request, bearer(token));
    } catch (error) {
      if (!hasCode(error, 'token_expired', 'unauthenticated')) {
        throw error;
      }
      return await this.#send<T>(request, bearer(await tokens.renew(token)));
    }
  }

  async #send<T>(request: HttpRequest, init: RequestInit): Promise<T> {
    const headers = new Headers(init.headers);
    headers.set('Accept', 'application/json, application/problem+json');
    const complete: RequestInit = { ...init, method: request.method, headers };
    if (request.body !== undefined) {
      headers.set('Content-Type', 'application/json');
      complete.body = JSON.stringify(request.body);
    }
    let response: Response;
    let text: string;
    try {
      response = await this.#platform.fetch(this.#base + request.path, complete);
      text = await response.text();
    } catch (cause) {
      throw new ConferError('network', 'The server cannot be reached.', { cause });
    }
    const body = parse(text);
    if (!response.ok) {
      throw problem(response.status, body);
    }
    return body as T;
  }
}

function bearer(token: string): RequestInit {
  return { credentials: 'omit', headers: { Authorization: `Bearer ${token}` } };
}

function parse(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A proxy in between answers with pages of its own, so a problem is recognised by its code. */
function problem(status: number, body: unknown): ConferError {
  if (isProblem(body)) {
    return ConferError.from(body, (body as Partial<Problem>).request_id);
  }
  const code = status >= 500 ? 'unavailable' : status === 401 ? 'unauthenticated' : 'malformed';
  return new ConferError(code, `The server answered with status ${status}.`);
}

function isProblem(body: unknown): body is ErrorBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    'code' in body &&
    (ERROR_CODES as readonly unknown[]).includes(body.code)
  );
}

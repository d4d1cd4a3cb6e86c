/**
 * Who is signed in here, and the access token that proves it.
 *
 * The access token lives in memory and lasts minutes. The refresh token is a cookie that scripts
 * cannot read; each use replaces it, and using an old one twice ends the login. Therefore only one
 * page of an origin refreshes at a time.
 */

import { ConferError, hasCode } from './errors.js';
import { type ChangeEvents, Emitter } from './events.js';
import type { Http, TokenSource } from './http.js';
import type { Platform } from './platform.js';
import type {
  GuestRequest,
  LoginRequest,
  Me,
  RegisterRequest,
  RoomInfo,
  TokenResponse,
  UserInfo,
} from './protocol.gen.js';

/** Says in storage that there may be a refresh cookie, so that strangers are not asked for one. */
const SIGNED_IN_KEY = 'confer.signed-in';
/** Name under which the pages of an origin take turns refreshing. */
const REFRESH_LOCK = 'confer.refresh';
/** A token this close to its end is replaced before it is used, unless that is most of its life. */
const EXPIRY_MARGIN_MS = 30_000;
const EXPIRY_MARGIN_SHARE = 0.25;

/** What [`Auth`] tells. */
export interface AuthEvents extends ChangeEvents {
  /** Somebody signed in, or nobody is any more. */
  user: UserInfo | null;
}

/** The session of this page. */
export class Auth extends Emitter<AuthEvents> implements TokenSource {
  readonly #http: Http;
  readonly #platform: Platform;
  #access: { token: string; staleAt: number } | null = null;
  #user: UserInfo | null = null;
  #guestRoom: RoomInfo | null = null;
  #refreshing: Promise<string> | null = null;
  /** Grows when somebody signs in or out, so that an older refresh cannot undo it. */
  #generation = 0;

  constructor(http: Http, platform: Platform) {
    super();
    this.#http = http;
    this.#platform = platform;
    platform.storage.watch(SIGNED_IN_KEY, (value) => {
      // Another page changed accounts; going on as the old one would mix two people.
      if (value !== this.#user?.id) {
        this.#forget();
      }
    });
  }

  /** Who is signed in. */
  get user(): UserInfo | null {
    return this.#user;
  }

  /** The one room a guest may enter. */
  get guestRoom(): RoomInfo | null {
    return this.#guestRoom;
  }

  /** Makes an account and signs in. */
  register(request: RegisterRequest): Promise<UserInfo> {
    return this.#signIn('/v1/auth/register', request);
  }

  /** Signs in to an account. */
  login(request: LoginRequest): Promise<UserInfo> {
    return this.#signIn('/v1/auth/login', request);
  }

  /** Comes in by an invite link, with a name and nothing else. */
  guest(request: GuestRequest): Promise<UserInfo> {
    return this.#signIn('/v1/auth/guest', request);
  }

  /** Picks up where an earlier page left off; `null` when nobody is signed in. */
  async restore(): Promise<Me | null> {
    if (this.#platform.storage.read(SIGNED_IN_KEY) === null) {
      return null;
    }
    try {
      await this.#refresh();
      return await this.me();
    } catch (error) {
      if (hasCode(error, 'unauthenticated', 'token_expired', 'revoked')) {
        return null;
      }
      throw error;
    }
  }

  /** The signed-in user with what only they may see. */
  me(): Promise<Me> {
    return this.#http.authorized<Me>({ method: 'GET', path: '/v1/me' }, this);
  }

  /** Signs out. The server is told; this page forgets at once, whether or not it answers. */
  async logout(): Promise<void> {
    this.#platform.storage.write(SIGNED_IN_KEY, null);
    this.#forget();
    // After a refresh that is under way, so that the cookie it brings is the one that ends.
    await this.#platform.exclusive(REFRESH_LOCK, () =>
      this.#http.anonymous({ method: 'POST', path: '/v1/auth/logout' }),
    );
  }

  async token(): Promise<string> {
    const access = this.#access;
    if (access !== null && access.staleAt > this.#platform.now()) {
      return access.token;
    }
    return this.#refresh();
  }

  async renew(stale: string): Promise<string> {
    const access = this.#access;
    return access !== null && access.token !== stale ? access.token : this.#refresh();
  }

  /** The cookie is replaced by this: the same answer serves everybody who asks meanwhile. */
  #refresh(): Promise<string> {
    const generation = this.#generation;
    this.#refreshing ??= this.#platform
      .exclusive(REFRESH_LOCK, () => this.#refreshAlone(generation))
      .finally(() => {
        this.#refreshing = null;
      });
    return this.#refreshing;
  }

  async #refreshAlone(generation: number): Promise<string> {
    if (this.#platform.storage.read(SIGNED_IN_KEY) === null) {
      throw new ConferError('unauthenticated', 'Sign in first.');
    }
    try {
      const response = await this.#http.anonymous<TokenResponse>({
        method: 'POST',
        path: '/v1/auth/refresh',
      });
      if (generation !== this.#generation) {
        throw new ConferError('unauthenticated', 'Somebody signed in or out meanwhile.');
      }
      this.#accept(response);
      return response.access_token;
    } catch (error) {
      const refused = hasCode(error, 'unauthenticated', 'token_expired', 'revoked');
      if (refused && generation === this.#generation) {
        this.#platform.storage.write(SIGNED_IN_KEY, null);
        this.#forget();
      }
      throw refused
        ? new ConferError('unauthenticated', 'Sign in again.', { cause: error })
        : error;
    }
  }

  async #signIn(path: string, body: object): Promise<UserInfo> {
    const response = await this.#http.anonymous<TokenResponse>({ method: 'POST', path, body });
    this.#generation += 1;
    this.#accept(response);
    return response.user;
  }

  #accept(response: TokenResponse): void {
    const changed = this.#user?.id !== response.user.id;
    const life = response.expires_in * 1000;
    this.#access = {
      token: response.access_token,
      staleAt: this.#platform.now() + life - Math.min(EXPIRY_MARGIN_MS, life * EXPIRY_MARGIN_SHARE),
    };
    this.#user = response.user;
    this.#guestRoom = response.room ?? null;
    this.#platform.storage.write(SIGNED_IN_KEY, response.user.id);
    if (changed) {
      this.changed();
      this.emit('user', this.#user);
    }
  }

  #forget(): void {
    this.#generation += 1;
    const had = this.#user !== null;
    this.#access = null;
    this.#user = null;
    this.#guestRoom = null;
    if (had) {
      this.changed();
      this.emit('user', null);
    }
  }
}

/** Tokens that the page's own back end mints, for apps with accounts of their own. */
export class ExternalTokens implements TokenSource {
  readonly #mint: () => Promise<string>;
  #current: Promise<string> | null = null;

  constructor(mint: () => Promise<string>) {
    this.#mint = mint;
  }

  token(): Promise<string> {
    this.#current ??= this.#fetch();
    return this.#current;
  }

  async renew(stale: string): Promise<string> {
    const current = await this.#current?.catch(() => null);
    if (current !== undefined && current !== null && current !== stale) {
      return current;
    }
    this.#current = this.#fetch();
    return this.#current;
  }

  #fetch(): Promise<string> {
    const minted = this.#mint().catch((cause: unknown) => {
      this.#current = null;
      throw new ConferError('network', 'No access token could be had.', { cause });
    });
    return minted;
  }
}

/** The way in: one client per signed-in person and page. */

import { Api } from './api.js';
import { Auth, ExternalTokens } from './auth.js';
import { Chat } from './chat.js';
import { Devices } from './devices.js';
import { type ChangeEvents, Emitter } from './events.js';
import { Http } from './http.js';
import { browserPlatform, type Platform } from './platform.js';
import type { RoomId, UserInfo } from './protocol.gen.js';
import { Room } from './room.js';
import type { JoinOptions } from './room-events.js';
import { type ConnectionState, Signal } from './signal.js';

/** How to make a client. */
export interface ClientOptions {
  /** Where the server is, for instance `https://meet.example.org`. Default: the page's origin. */
  url?: string | undefined;
  /**
   * Where access tokens come from when the app has accounts of its own: asks the app's back end
   * for one. Without it people sign in with `client.auth`.
   */
  token?: (() => Promise<string>) | undefined;
  /** The surroundings. Default: those of a web page. */
  platform?: Platform | undefined;
}

/** What a client tells. */
export interface ClientEvents extends ChangeEvents {
  connection: ConnectionState;
  /** Somebody signed in, or nobody is any more. */
  user: UserInfo | null;
  /** The call of this client, or that there is none now. */
  room: Room | null;
}

/** One person on one page. */
export class ConferClient extends Emitter<ClientEvents> {
  readonly auth: Auth;
  readonly api: Api;
  readonly chat: Chat;
  readonly devices: Devices;
  readonly #platform: Platform;
  readonly #signal: Signal;
  #room: Room | null = null;
  #user: UserInfo | null = null;

  constructor(options: ClientOptions = {}) {
    super();
    const platform = options.platform ?? browserPlatform();
    const base = (options.url || platform.origin).replace(/\/+$/, '');
    const http = new Http(platform, base);
    this.#platform = platform;
    this.auth = new Auth(http, platform);
    const tokens = options.token === undefined ? this.auth : new ExternalTokens(options.token);
    this.api = new Api(http, tokens);
    this.#signal = new Signal(platform, base, tokens);
    this.chat = new Chat(platform, this.api, this.#signal);
    this.devices = new Devices(platform);
    this.#signal.on('state', (state) => {
      this.emit('connection', state);
      this.changed();
    });
    this.#signal.on('connected', (welcome) => this.#setUser(welcome.user));
    this.auth.on('user', (user) => {
      if (this.#user !== null && this.#user.id !== user?.id) {
        // Nothing of one person may be shown to, or sent as, the next.
        this.#signal.close();
        this.chat.clear();
      }
      this.#setUser(user);
    });
  }

  /** Who this client is. */
  get user(): UserInfo | null {
    return this.#user;
  }

  get connection(): ConnectionState {
    return this.#signal.state;
  }

  /** The call this client is in. */
  get room(): Room | null {
    return this.#room;
  }

  /** Opens the connection and keeps it open; chat is live from then on. */
  async connect(): Promise<void> {
    this.#signal.open();
    await this.#signal.connected();
  }

  /** Ends the call if there is one, and closes the connection. */
  async disconnect(): Promise<void> {
    await this.#room?.leave();
    this.#signal.close();
  }

  /** Enters a room's call, leaving the one before. */
  async join(id: RoomId, options: JoinOptions = {}): Promise<Room> {
    await this.#room?.leave({ keepTracks: true });
    if (this.#signal.state !== 'connected') {
      await this.connect();
    }
    const parts = { platform: this.#platform, signal: this.#signal, devices: this.devices };
    const user = this.#user ?? { id: '', name: '', guest: false };
    const room = new Room(parts, id, user, options);
    this.#room = room;
    this.#signal.setBusy(true);
    room.on('left', () => {
      if (this.#room === room) {
        this.#room = null;
        this.#signal.setBusy(false);
        this.emit('room', null);
        this.changed();
      }
    });
    await room.join();
    // Joining may have made this user a member of the room and of its conversation.
    this.chat.open(id).catch(() => undefined);
    this.emit('room', room);
    this.changed();
    return room;
  }

  #setUser(user: UserInfo | null): void {
    if (this.#user?.id !== user?.id || this.#user?.name !== user?.name) {
      this.#user = user;
      this.emit('user', user);
      this.changed();
    }
  }
}

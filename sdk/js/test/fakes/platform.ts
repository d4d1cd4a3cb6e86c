/** A whole world for a client: a server that says what the test wants, and time that stands still. */

import type { LevelMeter, Platform, Socket, Storage } from '../../src/platform.js';
import type {
  ClientFrame,
  ErrorBody,
  Notice,
  Reply,
  Request,
  RoomEvent,
  ServerFrame,
  UserInfo,
} from '../../src/protocol.gen.js';
import { FakeClock } from './clock.js';
import { FakePeerConnection, FakeTrack } from './peer-connection.js';

export const ALICE: UserInfo = { id: 'user-alice', name: 'Alice', guest: false };
export const BOB: UserInfo = { id: 'user-bob', name: 'Bob', guest: false };

/** What a test answers to a request; nothing means: not yet. */
export type Answering = Reply | ErrorBody | undefined;
type Handler = (request: never, frame: ClientFrame) => Answering;

export class FakeSocket implements Socket {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly sent: ClientFrame[] = [];
  closedWith: number | null = null;
  readonly #server: FakeServer;

  constructor(server: FakeServer, url: string, protocols: string[]) {
    this.#server = server;
    this.url = url;
    this.protocols = protocols;
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.sent.push(frame);
    this.#server.received(this, frame);
  }

  close(code?: number): void {
    this.closedWith = code ?? 1000;
  }

  get open(): boolean {
    return this.onmessage !== null && this.closedWith === null;
  }

  deliver(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The network or the server ends it. */
  die(code = 1006): void {
    this.onclose?.({ code, reason: '' });
  }

  answer(frame: ClientFrame, answering: Reply | ErrorBody): void {
    if ('op' in answering) {
      this.deliver({ type: 'result', re: frame.id, result: answering });
    } else {
      this.deliver({ type: 'error', re: frame.id, error: answering });
    }
  }
}

export class FakeServer {
  user = ALICE;
  /** New sockets are welcomed at once. */
  welcoming = true;
  readonly sockets: FakeSocket[] = [];
  readonly #handlers = new Map<string, Handler>();

  constructor() {
    this.on('ping', () => ({ op: 'ping' }));
    this.on('candidate', () => ({ op: 'candidate' }));
    this.on('subscribe', () => ({ op: 'subscribe' }));
    this.on('mute', () => ({ op: 'mute' }));
    this.on('unpublish', () => ({ op: 'unpublish' }));
    this.on('leave', () => ({ op: 'leave' }));
    this.on('auth', () => ({ op: 'auth' }));
    this.on('ice_servers', () => ({ op: 'ice_servers', ice_servers: [] }));
    this.on('chat_typing', () => ({ op: 'chat_typing' }));
  }

  /** Answers requests of one kind from now on. */
  on<Op extends Request['op']>(
    op: Op,
    handler: (request: Extract<Request, { op: Op }>, frame: ClientFrame) => Answering,
  ): void {
    this.#handlers.set(op, handler as Handler);
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) {
      throw new Error('no socket was opened');
    }
    return socket;
  }

  /** Requests of one kind, over all sockets. */
  requests<Op extends Request['op']>(op: Op): Array<Extract<Request, { op: Op }> & { id: number }> {
    return this.sockets
      .flatMap((socket) => socket.sent)
      .filter((frame) => frame.op === op) as Array<Extract<Request, { op: Op }> & { id: number }>;
  }

  open(url: string, protocols: string[]): FakeSocket {
    const socket = new FakeSocket(this, url, protocols);
    this.sockets.push(socket);
    if (this.welcoming) {
      queueMicrotask(() => this.welcome(socket));
    }
    return socket;
  }

  welcome(socket = this.socket): void {
    socket.deliver({
      type: 'welcome',
      user: this.user,
      server: 'test',
      heartbeat_ms: 25_000,
      max_frame_bytes: 262_144,
    });
  }

  received(socket: FakeSocket, frame: ClientFrame): void {
    const answering = this.#handlers.get(frame.op)?.(frame as never, frame);
    if (answering !== undefined) {
      queueMicrotask(() => socket.answer(frame, answering));
    }
  }

  event(seq: number, event: RoomEvent): void {
    this.socket.deliver({ type: 'event', seq, event });
  }

  notice(notice: Notice): void {
    this.socket.deliver({ type: 'notice', notice });
  }
}

type Route = (body: unknown, path: string) => Response | object | Promise<Response | object>;

/** The HTTP side: routes by method and path. */
export class FakeHttp {
  readonly calls: Array<{ method: string; path: string; headers: Headers; body: unknown }> = [];
  readonly #routes = new Map<string, Route>();

  on(route: string, answer: Route): void {
    this.#routes.set(route, answer);
  }

  called(route: string): number {
    return this.calls.filter(({ method, path }) => `${method} ${path}` === route).length;
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const path = url.replace(/^https?:\/\/[^/]+/, '');
    const method = init.method ?? 'GET';
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    this.calls.push({ method, path, headers: new Headers(init.headers), body });
    const route =
      this.#routes.get(`${method} ${path}`) ?? this.#routes.get(`${method} ${path.split('?')[0]}`);
    if (route === undefined) {
      throw new TypeError(`nothing answers ${method} ${path}`);
    }
    const answer = await route(body, path);
    return answer instanceof Response ? answer : new Response(JSON.stringify(answer));
  }
}

/** An answer that refuses. */
export function problem(status: number, code: string, more: object = {}): Response {
  const body = { type: '', title: '', status, request_id: 'r-1', code, message: code, ...more };
  return new Response(JSON.stringify(body), { status });
}

/** What the pages of one origin share. */
export class FakeOrigin {
  readonly values = new Map<string, string>();
  readonly watchers = new Set<{
    page: object;
    key: string;
    listener: (value: string | null) => void;
  }>();
  readonly #locks = new Map<string, Promise<unknown>>();

  exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(name) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#locks.set(name, turn);
    return turn;
  }
}

export class FakePlatform implements Platform {
  readonly origin = 'https://confer.test';
  readonly clock = new FakeClock();
  readonly server = new FakeServer();
  readonly http: FakeHttp;
  readonly shared: FakeOrigin;
  readonly connections: FakePeerConnection[] = [];
  readonly devices: MediaDevices;
  readonly storage: Storage;
  randomValue = 0.5;
  readonly #wakers = new Set<() => void>();
  readonly #unloaders = new Set<() => void>();
  #nextUuid = 1;

  constructor(shared = new FakeOrigin(), http = new FakeHttp()) {
    this.shared = shared;
    this.http = http;
    const page = {};
    this.storage = {
      read: (key) => shared.values.get(key) ?? null,
      write: (key, value) => {
        if (value === null) {
          shared.values.delete(key);
        } else {
          shared.values.set(key, value);
        }
        for (const watcher of shared.watchers) {
          if (watcher.page !== page && watcher.key === key) {
            watcher.listener(value);
          }
        }
      },
      watch: (key, listener) => {
        const watcher = { page, key, listener };
        shared.watchers.add(watcher);
        return () => shared.watchers.delete(watcher);
      },
    };
    const stream = (kinds: Array<'audio' | 'video'>) => {
      const tracks = kinds.map((kind) => new FakeTrack(kind));
      return {
        getAudioTracks: () => tracks.filter(({ kind }) => kind === 'audio'),
        getVideoTracks: () => tracks.filter(({ kind }) => kind === 'video'),
      };
    };
    this.devices = {
      getUserMedia: async (wanted: MediaStreamConstraints) =>
        stream([
          ...(wanted.audio === false ? [] : (['audio'] as const)),
          ...(wanted.video === false ? [] : (['video'] as const)),
        ]),
      getDisplayMedia: async () => stream(['video']),
      enumerateDevices: async () => [],
    } as unknown as MediaDevices;
  }

  now(): number {
    return this.clock.now;
  }

  wallClock(): number {
    return Date.UTC(2026, 0, 1) + this.clock.now;
  }

  random(): number {
    return this.randomValue;
  }

  uuid(): string {
    const uuid = `uuid-${this.#nextUuid}`;
    this.#nextUuid += 1;
    return uuid;
  }

  setTimer(callback: () => void, delayMs: number): unknown {
    return this.clock.set(callback, delayMs);
  }

  clearTimer(timer: unknown): void {
    this.clock.clear(timer);
  }

  fetch(url: string, init: RequestInit): Promise<Response> {
    return this.http.fetch(url, init);
  }

  openSocket(url: string, protocols: string[]): Socket {
    return this.server.open(url, protocols);
  }

  createPeerConnection(configuration: RTCConfiguration): RTCPeerConnection {
    const connection = new FakePeerConnection(configuration);
    this.connections.push(connection);
    return connection as unknown as RTCPeerConnection;
  }

  createStream(): MediaStream {
    return {} as MediaStream;
  }

  createLevelMeter(): LevelMeter {
    return { level: () => 0, close: () => undefined };
  }

  exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.shared.exclusive(name, work);
  }

  onWake(listener: () => void): () => void {
    this.#wakers.add(listener);
    return () => this.#wakers.delete(listener);
  }

  wake(): void {
    for (const listener of this.#wakers) {
      listener();
    }
  }

  onUnload(listener: () => void): () => void {
    this.#unloaders.add(listener);
    return () => this.#unloaders.delete(listener);
  }

  unload(): void {
    for (const listener of this.#unloaders) {
      listener();
    }
  }

  /** The newest peer connection. */
  get connection(): FakePeerConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) {
      throw new Error('no peer connection was made');
    }
    return connection;
  }
}

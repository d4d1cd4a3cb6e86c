/**
 * The surroundings, as one object: sockets, WebRTC, devices, timers, storage.
 *
 * No other file names a global of the browser, so that another platform (react-native-webrtc, a
 * test) is one object too. [`browserPlatform`] is the usual one.
 */

import type { Unsubscribe } from './events.js';

/** What a timer is cancelled by. */
export type TimerId = unknown;

/** As much of a WebSocket as is used. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}

/** A few strings that outlive the page. */
export interface Storage {
  read(key: string): string | null;
  write(key: string, value: string | null): void;
  /** Calls `listener` when another page of this origin wrote `key`. */
  watch(key: string, listener: (value: string | null) => void): Unsubscribe;
}

/** How loud a track is now. */
export interface LevelMeter {
  /** 0 is silence, 1 is as loud as it gets. */
  level(): number;
  close(): void;
}

/** Everything this library needs from outside. */
export interface Platform {
  /** Where a client without a URL connects: the page's own origin. */
  readonly origin: string;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970, for showing. */
  wallClock(): number;
  /** At least 0, less than 1. */
  random(): number;
  /** A fresh random UUID. */
  uuid(): string;
  setTimer(callback: () => void, delayMs: number): TimerId;
  clearTimer(timer: TimerId): void;
  fetch(url: string, init: RequestInit): Promise<Response>;
  openSocket(url: string, protocols: string[]): Socket;
  createPeerConnection(configuration: RTCConfiguration): RTCPeerConnection;
  createStream(tracks: MediaStreamTrack[]): MediaStream;
  /** `undefined` where the page may not use devices at all. */
  readonly devices: MediaDevices | undefined;
  createLevelMeter(track: MediaStreamTrack): LevelMeter;
  readonly storage: Storage;
  /** Runs `work` while no other page of this origin runs under the same name. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Calls `listener` when trying again at once makes sense: network back, page visible again. */
  onWake(listener: () => void): Unsubscribe;
  /** Calls `listener` when the page goes away for good: closed, reloaded, left. */
  onUnload(listener: () => void): Unsubscribe;
}

/** The platform of a web page. */
export function browserPlatform(): Platform {
  return {
    origin: location.origin,
    now: () => performance.now(),
    wallClock: () => Date.now(),
    random: () => Math.random(),
    uuid: randomUuid,
    setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
    clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
    fetch: (url, init) => fetch(url, init),
    openSocket: (url, protocols) => new WebSocket(url, protocols) as Socket,
    createPeerConnection: (configuration) => new RTCPeerConnection(configuration),
    createStream: (tracks) => new MediaStream(tracks),
    // Absent on pages without a secure context, whatever the DOM's types say.
    devices: (navigator as Partial<Navigator>).mediaDevices,
    createLevelMeter,
    storage: localStorageOrMemory(),
    exclusive: (name, work) => {
      // Absent without a secure context; the server's grace for a token used twice helps there.
      const locks = (navigator as Partial<Navigator>).locks;
      return locks === undefined ? work() : locks.request(name, work);
    },
    onWake,
    onUnload: (listener) => {
      window.addEventListener('pagehide', listener);
      return () => window.removeEventListener('pagehide', listener);
    },
  };
}

/** `crypto.randomUUID` exists in secure contexts only; a page on plain HTTP may still chat. */
function randomUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

function createLevelMeter(track: MediaStreamTrack): LevelMeter {
  const context = new AudioContext();
  // A context made without a gesture may start suspended; a later gesture lets this succeed.
  void context.resume();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level: () => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      // Speech sits near -30 dBFS: spread -60 to 0 dBFS over the scale as ears would.
      const decibels = 10 * Math.log10(power + 1e-12);
      return Math.min(1, Math.max(0, (decibels + 60) / 60));
    },
    close: () => {
      source.disconnect();
      void context.close();
    },
  };
}

function localStorageOrMemory(): Storage {
  let local: globalThis.Storage | null = null;
  try {
    local = localStorage;
  } catch {
    // Blocked by the browser's settings: nothing outlives the page then.
  }
  const memory = new Map<string, string>();
  return {
    read: (key) => local?.getItem(key) ?? memory.get(key) ?? null,
    write: (key, value) => {
      try {
        if (value === null) {
          local?.removeItem(key);
        } else {
          local?.setItem(key, value);
        }
      } catch {
        // Full or forbidden; memory below still serves this page.
      }
      if (value === null) {
        memory.delete(key);
      } else {
        memory.set(key, value);
      }
    },
    watch: (key, listener) => {
      const onStorage = (event: StorageEvent) => {
        if (event.key === key) {
          memory.delete(key);
          listener(event.newValue);
        }
      };
      window.addEventListener('storage', onStorage);
      return () => window.removeEventListener('storage', onStorage);
    },
  };
}

function onWake(listener: () => void): Unsubscribe {
  const onVisible = () => {
    if (document.visibilityState === 'visible') {
      listener();
    }
  };
  window.addEventListener('online', listener);
  document.addEventListener('visibilitychange', onVisible);
  return () => {
    window.removeEventListener('online', listener);
    document.removeEventListener('visibilitychange', onVisible);
  };
}

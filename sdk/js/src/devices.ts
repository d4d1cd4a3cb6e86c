/** Cameras, microphones and screens of this machine. */

import { ConferError, mediaError } from './errors.js';
import { type ChangeEvents, Emitter } from './events.js';
import type { LevelMeter, Platform } from './platform.js';

/** Which device, or any. */
export interface DeviceChoice {
  /** From [`Devices.list`]; any device when absent or gone. */
  deviceId?: string | undefined;
}

/** What to ask of a camera beside which one it is. */
export interface CameraChoice extends DeviceChoice {
  width?: number | undefined;
  height?: number | undefined;
  frameRate?: number | undefined;
}

/** What there is to choose from. Names are empty until permission was given once. */
export interface DeviceList {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
}

/** What a request for devices gave. */
export interface DeviceTracks {
  audio?: MediaStreamTrack;
  video?: MediaStreamTrack;
}

const CAMERA_DEFAULT = { width: 1280, height: 720, frameRate: 30 };

/** Emits `change` when a device is plugged in or out. */
export class Devices extends Emitter<ChangeEvents> {
  readonly #platform: Platform;

  constructor(platform: Platform) {
    super();
    this.#platform = platform;
    platform.devices?.addEventListener?.('devicechange', () => this.changed());
  }

  /** False on a page that is neither HTTPS nor localhost: browsers hide all devices there. */
  get supported(): boolean {
    return this.#platform.devices !== undefined;
  }

  /** Starts a microphone, a camera, or both, asking for permission where needed. */
  async open(wanted: {
    audio?: DeviceChoice | boolean | undefined;
    video?: CameraChoice | boolean | undefined;
  }): Promise<DeviceTracks> {
    const constraints: MediaStreamConstraints = {
      audio: audioConstraints(wanted.audio),
      video: videoConstraints(wanted.video),
    };
    let stream: MediaStream;
    try {
      stream = await this.#devices().getUserMedia(constraints);
    } catch (error) {
      throw error instanceof ConferError ? error : mediaError(error);
    }
    const tracks: DeviceTracks = {};
    const [audio] = stream.getAudioTracks();
    const [video] = stream.getVideoTracks();
    if (audio !== undefined) {
      tracks.audio = audio;
    }
    if (video !== undefined) {
      tracks.video = video;
    }
    return tracks;
  }

  /** Lets the person choose a screen, a window or a tab; its sound too where the system can. */
  async openDisplay(): Promise<DeviceTracks> {
    let stream: MediaStream;
    try {
      stream = await this.#devices().getDisplayMedia({ video: { frameRate: 30 }, audio: true });
    } catch (error) {
      throw error instanceof ConferError ? error : mediaError(error);
    }
    const tracks: DeviceTracks = {};
    const [video] = stream.getVideoTracks();
    const [audio] = stream.getAudioTracks();
    if (video !== undefined) {
      // Text must stay readable: rather fewer pictures than blurred ones.
      video.contentHint = 'detail';
      tracks.video = video;
    }
    if (audio !== undefined) {
      tracks.audio = audio;
    }
    return tracks;
  }

  /** All devices there are now. */
  async list(): Promise<DeviceList> {
    const all = await this.#devices().enumerateDevices();
    const ofKind = (kind: MediaDeviceKind) => all.filter((device) => device.kind === kind);
    return {
      microphones: ofKind('audioinput'),
      cameras: ofKind('videoinput'),
      speakers: ofKind('audiooutput'),
    };
  }

  /** Starts a device of the same kind as `track`, the same one if it is still there. */
  async again(track: MediaStreamTrack): Promise<MediaStreamTrack> {
    const { deviceId, width, height, frameRate } = track.getSettings();
    const tracks =
      track.kind === 'video'
        ? await this.open({ video: { deviceId, width, height, frameRate } })
        : await this.open({ audio: { deviceId } });
    const found = track.kind === 'video' ? tracks.video : tracks.audio;
    if (found === undefined) {
      throw new ConferError('media_not_found', 'The device is gone.');
    }
    return found;
  }

  /** Says how loud `track` is, for as long as the meter is open. */
  levelMeter(track: MediaStreamTrack): LevelMeter {
    return this.#platform.createLevelMeter(track);
  }

  /** A stream to show or to play: `element.srcObject = client.devices.stream([track])`. */
  stream(tracks: MediaStreamTrack[]): MediaStream {
    return this.#platform.createStream(tracks);
  }

  #devices(): MediaDevices {
    const devices = this.#platform.devices;
    if (devices === undefined) {
      throw new ConferError(
        'media_unsupported',
        'Camera and microphone need HTTPS, or this page on localhost.',
      );
    }
    return devices;
  }
}

function audioConstraints(
  choice: DeviceChoice | boolean | undefined,
): MediaTrackConstraints | boolean {
  if (choice === undefined || choice === false) {
    return false;
  }
  const constraints: MediaTrackConstraints = {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
  };
  if (choice !== true && choice.deviceId !== undefined) {
    constraints.deviceId = { ideal: choice.deviceId };
  }
  return constraints;
}

function videoConstraints(
  choice: CameraChoice | boolean | undefined,
): MediaTrackConstraints | boolean {
  if (choice === undefined || choice === false) {
    return false;
  }
  const { deviceId, width, height, frameRate } = choice === true ? {} : choice;
  const constraints: MediaTrackConstraints = {
    width: { ideal: width ?? CAMERA_DEFAULT.width },
    height: { ideal: height ?? CAMERA_DEFAULT.height },
    frameRate: { ideal: frameRate ?? CAMERA_DEFAULT.frameRate },
  };
  if (deviceId !== undefined) {
    constraints.deviceId = { ideal: deviceId };
  }
  return constraints;
}

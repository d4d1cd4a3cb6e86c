import { hasCode, type Room } from 'confer-sdk';
import { useState } from 'react';
import { client } from '../client';
import { toast, toastError } from '../components/toastStore';
import { type Device, describeMediaProblem } from '../lib/mediaErrors';
import { devicePreference, preferDevice } from '../lib/preferences';

export interface CallDevice {
  on: boolean;
  possible: boolean;
  busy: boolean;
  chosen: string | undefined;
  track: MediaStreamTrack | undefined;
  toggle: () => void;
  choose: (deviceId: string) => void;
}

/** Switches one's own microphone or camera during a call. */
export function useCallDevice(room: Room, device: Device): CallDevice {
  const [busy, setBusy] = useState(false);
  const publication = room.local.publication(device);
  const on = publication !== undefined && !publication.muted;

  async function change(work: () => Promise<void>) {
    if (busy) return;
    setBusy(true);
    try {
      await work();
    } catch (error) {
      const { title, hint } = describeMediaProblem(error, device);
      toast(title, hint, 'danger');
    } finally {
      setBusy(false);
    }
  }

  async function toggle() {
    if (publication !== undefined) await publication.setMuted(on);
    else await publish(room, device, devicePreference(device).deviceId);
  }

  async function choose(deviceId: string) {
    preferDevice(device, deviceId);
    if (publication === undefined) {
      await publish(room, device, deviceId);
      return;
    }
    const before = publication.track;
    const track = await open(device, deviceId);
    await publication.replaceTrack(track);
    before.stop();
    // A camera that was off would only light up its lamp.
    if (publication.muted && device === 'camera') track.stop();
  }

  return {
    on,
    busy,
    possible: room.local.permissions.publish.includes(device),
    chosen: publication?.track.getSettings().deviceId ?? devicePreference(device).deviceId,
    track: on ? publication.track : undefined,
    toggle: () => void change(toggle),
    choose: (deviceId) => void change(() => choose(deviceId)),
  };
}

async function publish(room: Room, device: Device, deviceId: string | undefined): Promise<void> {
  const track = await open(device, deviceId);
  try {
    await room.publish(track, { source: device });
  } catch (error) {
    track.stop();
    throw error;
  }
}

async function open(device: Device, deviceId: string | undefined): Promise<MediaStreamTrack> {
  const choice = { deviceId };
  const { audio, video } = await client.devices.open(
    device === 'camera' ? { video: choice } : { audio: choice },
  );
  const track = device === 'camera' ? video : audio;
  if (track === undefined) throw new Error('a device that was opened has a track');
  return track;
}

export interface ScreenShare {
  on: boolean;
  possible: boolean;
  toggle: () => void;
}

export function useScreenShare(room: Room): ScreenShare {
  const on = room.local.publication('screen') !== undefined;
  // Phones have no way to share a screen from a page.
  const supported = 'getDisplayMedia' in (navigator.mediaDevices ?? {});

  return {
    on,
    possible: supported && room.local.permissions.publish.includes('screen'),
    toggle: () => {
      if (on) room.stopScreenShare().catch(toastError);
      else room.startScreenShare().catch(reportUnlessCancelled);
    },
  };
}

/** Closing the browser's chooser is a decision, not an error. */
function reportUnlessCancelled(error: unknown): void {
  if (hasCode(error, 'media_denied')) return;
  toastError(error);
}

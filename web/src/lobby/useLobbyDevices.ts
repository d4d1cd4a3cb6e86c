import type { DeviceTracks } from 'confer-sdk';
import { useCallback, useEffect, useRef, useState } from 'react';
import { client } from '../client';
import { deviceChoices, useDeviceList } from '../hooks/useDeviceList';
import { type Device, describeMediaProblem, type MediaProblem } from '../lib/mediaErrors';
import { devicePreference, preferDevice, preferOn } from '../lib/preferences';
import type { DeviceView } from './view';

interface DeviceState {
  on: boolean;
  starting: boolean;
  track?: MediaStreamTrack | undefined;
  problem?: MediaProblem | undefined;
}

type States = Record<Device, DeviceState>;

export interface LobbyDevices {
  mic: DeviceView;
  camera: DeviceView;
  /**
   * Hands the tracks over: from here on they are somebody else's to stop. Devices that are being
   * started are waited for, as the browser may be asking for permission.
   */
  take: () => Promise<DeviceTracks>;
}

/** An unanswered question of the browser does not keep anybody out for longer. */
const MOST_WAIT_MS = 8_000;

const DEVICES = ['microphone', 'camera'] as const;

/** Starts and stops the devices of the preview, one permission prompt for both at first. */
export function useLobbyDevices(): LobbyDevices {
  const [states, setStates] = useState<States>(() => ({
    microphone: { on: false, starting: devicePreference('microphone').on },
    camera: { on: false, starting: devicePreference('camera').on },
  }));
  const running = useRef<Partial<Record<Device, MediaStreamTrack>>>({});
  const gone = useRef(false);
  const starting = useRef(new Set<Promise<void>>());
  const { microphones, cameras, refresh } = useDeviceList();

  const awaitable = useCallback((work: Promise<void>) => {
    starting.current.add(work);
    void work.finally(() => starting.current.delete(work));
  }, []);

  const set = useCallback((device: Device, state: DeviceState) => {
    setStates((known) => ({ ...known, [device]: state }));
  }, []);

  const stop = useCallback((device: Device) => {
    running.current[device]?.stop();
    delete running.current[device];
  }, []);

  const started = useCallback(
    (device: Device, track: MediaStreamTrack | undefined) => {
      if (gone.current || track === undefined) {
        track?.stop();
        set(device, { on: false, starting: false });
        return;
      }
      stop(device);
      running.current[device] = track;
      track.addEventListener('ended', () => {
        if (running.current[device] !== track) return;
        delete running.current[device];
        set(device, { on: false, starting: false });
      });
      set(device, { on: true, starting: false, track });
    },
    [set, stop],
  );

  const start = useCallback(
    async (device: Device, deviceId = devicePreference(device).deviceId) => {
      const before = running.current[device];
      set(device, { on: before !== undefined, starting: true, track: before });
      try {
        const choice = deviceId === undefined ? true : { deviceId };
        const { audio, video } = await client.devices.open(
          device === 'camera' ? { video: choice } : { audio: choice },
        );
        started(device, device === 'camera' ? video : audio);
      } catch (error) {
        stop(device);
        set(device, {
          on: false,
          starting: false,
          problem: describeMediaProblem(error, device),
        });
      }
      refresh();
    },
    [refresh, set, started, stop],
  );

  useEffect(() => {
    gone.current = false;
    awaitable(startPreferred(start, started, refresh));
    return () => {
      gone.current = true;
      for (const device of DEVICES) stop(device);
    };
  }, [start, started, refresh, stop, awaitable]);

  function view(device: Device, devices: readonly MediaDeviceInfo[]): DeviceView {
    const state = states[device];
    return {
      ...state,
      choices: deviceChoices(devices),
      chosen: state.track?.getSettings().deviceId ?? devicePreference(device).deviceId,
      toggle: () => {
        preferOn(device, !state.on);
        if (state.on) {
          stop(device);
          set(device, { on: false, starting: false });
        } else {
          awaitable(start(device));
        }
      },
      choose: (deviceId) => {
        preferDevice(device, deviceId);
        preferOn(device, true);
        awaitable(start(device, deviceId));
      },
    };
  }

  const take = useCallback(async (): Promise<DeviceTracks> => {
    await Promise.race([Promise.all(starting.current), pause(MOST_WAIT_MS)]);
    gone.current = true;
    const { microphone, camera } = running.current;
    running.current = {};
    return {
      ...(microphone === undefined ? {} : { audio: microphone }),
      ...(camera === undefined ? {} : { video: camera }),
    };
  }, []);

  return { mic: view('microphone', microphones), camera: view('camera', cameras), take };
}

/** Both at once, so that the browser asks one question; one by one where one of them is missing. */
async function startPreferred(
  start: (device: Device) => Promise<void>,
  started: (device: Device, track: MediaStreamTrack | undefined) => void,
  refresh: () => void,
): Promise<void> {
  const wanted = DEVICES.filter((device) => devicePreference(device).on);
  if (wanted.length === 2) {
    try {
      const { audio, video } = await client.devices.open({
        audio: { deviceId: devicePreference('microphone').deviceId },
        video: { deviceId: devicePreference('camera').deviceId },
      });
      started('microphone', audio);
      started('camera', video);
      refresh();
      return;
    } catch {
      // Which of the two it was shows when each is asked for by itself.
    }
  }
  for (const device of wanted) await start(device);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

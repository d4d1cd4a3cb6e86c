import type { Device } from './mediaErrors';
import { remember, remembered } from './memory';

/** What somebody chose for a kind of device the last time. */
export interface DevicePreference {
  on: boolean;
  deviceId: string | undefined;
}

export function devicePreference(device: Device): DevicePreference {
  return {
    on: remembered(`confer.${device}.off`) === undefined,
    deviceId: remembered(`confer.${device}`),
  };
}

export function preferDevice(device: Device, deviceId: string): void {
  remember(`confer.${device}`, deviceId);
}

export function preferOn(device: Device, on: boolean): void {
  remember(`confer.${device}.off`, on ? undefined : '1');
}

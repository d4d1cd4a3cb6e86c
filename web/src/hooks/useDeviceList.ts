import type { DeviceList } from 'confer-sdk';
import { useCallback, useEffect, useState } from 'react';
import { client } from '../client';
import type { Choice } from '../components/Select';

const NOTHING: DeviceList = { microphones: [], cameras: [], speakers: [] };

/** All devices there are, kept up to date. Names appear once permission was given. */
export function useDeviceList(): DeviceList & { refresh: () => void } {
  const [list, setList] = useState(NOTHING);

  const refresh = useCallback(() => {
    // Without devices there is nothing to choose; the reason shows where one is started.
    client.devices.list().then(setList, () => setList(NOTHING));
  }, []);

  useEffect(() => {
    refresh();
    return client.devices.on('change', refresh);
  }, [refresh]);

  return { ...list, refresh };
}

/** Devices as choices. Before permission is given they have neither name nor id: then none. */
export function deviceChoices(devices: readonly MediaDeviceInfo[]): Choice[] {
  return devices
    .filter(({ deviceId, label }) => deviceId !== '' && label !== '')
    .map(({ deviceId, label }) => ({ value: deviceId, label }));
}

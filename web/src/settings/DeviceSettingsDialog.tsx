import { Camera, Mic, Volume2 } from 'lucide-react';
import type { CallDevice } from '../call/useCallDevices';
import { Dialog } from '../components/Dialog';
import { Select } from '../components/Select';
import { Video } from '../components/Video';
import { deviceChoices, useDeviceList } from '../hooks/useDeviceList';
import { useLevel } from '../hooks/useLevel';
import { LevelMeter } from '../lobby/LevelMeter';

interface DeviceSettingsDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  mic: CallDevice;
  camera: CallDevice;
  speaker: string | undefined;
  onSpeaker: (id: string) => void;
}

/** Other devices during a call; what is chosen takes effect at once. */
export function DeviceSettingsDialog({
  open,
  onOpenChange,
  ...devices
}: DeviceSettingsDialogProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Camera and microphone"
      description="What you choose is used at once."
    >
      <DeviceSettings {...devices} />
    </Dialog>
  );
}

type DeviceSettingsProps = Omit<DeviceSettingsDialogProps, 'open' | 'onOpenChange'>;

function DeviceSettings({ mic, camera, speaker, onSpeaker }: DeviceSettingsProps) {
  const { microphones, cameras, speakers } = useDeviceList();
  const level = useLevel(mic.track);
  const canChooseSpeaker = 'setSinkId' in HTMLMediaElement.prototype;

  return (
    <div className="flex flex-col gap-4">
      {camera.track === undefined ? null : (
        <div className="aspect-video overflow-hidden rounded-card bg-sunken">
          <Video track={camera.track} label="Your camera" mirrored />
        </div>
      )}
      <Select
        label="Camera"
        icon={<Camera aria-hidden="true" className="size-4.5" />}
        placeholder={cameras.length === 0 ? 'No camera' : 'Camera'}
        choices={deviceChoices(cameras)}
        value={camera.chosen}
        onChange={camera.choose}
      />
      <div className="flex flex-col gap-2.5">
        <Select
          label="Microphone"
          icon={<Mic aria-hidden="true" className="size-4.5" />}
          placeholder={microphones.length === 0 ? 'No microphone' : 'Microphone'}
          choices={deviceChoices(microphones)}
          value={mic.chosen}
          onChange={mic.choose}
        />
        <div className="flex">
          <LevelMeter level={level} active={mic.on} />
        </div>
      </div>
      {canChooseSpeaker ? (
        <Select
          label="Loudspeaker"
          icon={<Volume2 aria-hidden="true" className="size-4.5" />}
          placeholder="Loudspeaker of the system"
          choices={deviceChoices(speakers)}
          value={speaker}
          onChange={onSpeaker}
        />
      ) : null}
    </div>
  );
}

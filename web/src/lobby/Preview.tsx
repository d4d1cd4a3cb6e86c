import { Mic, MicOff, Video as VideoIcon, VideoOff } from 'lucide-react';
import type { ReactNode } from 'react';
import { Spinner } from '../components/Spinner';
import { Tooltip } from '../components/Tooltip';
import { Video } from '../components/Video';
import { cx } from '../lib/cx';
import { colourOf, initials } from '../lib/person';
import type { DeviceView } from './view';

interface PreviewProps {
  user: { id: string; name: string };
  mic: DeviceView;
  camera: DeviceView;
}

/** How one will look to the others, and the two switches that matter. */
export function Preview({ user, mic, camera }: PreviewProps) {
  return (
    <div
      className={cx(
        `avatar-${colourOf(user.id)}`,
        'relative aspect-video w-full overflow-hidden rounded-sheet bg-[color-mix(in_oklab,var(--avatar)_16%,light-dark(#e3e7e4,#1a201f))] shadow-2 max-sm:aspect-[4/3]',
      )}
    >
      {camera.on && camera.track !== undefined ? (
        <Video track={camera.track} label="Your camera" mirrored className="fade" />
      ) : (
        <div className="flex size-full flex-col items-center justify-center gap-3">
          <span
            aria-hidden="true"
            className="inline-flex size-24 items-center justify-center rounded-full bg-(--avatar) text-3xl font-semibold text-white select-none sm:size-32 sm:text-4xl"
          >
            {initials(user.name)}
          </span>
          <p className="flex h-6 items-center gap-2 text-sm text-ink-2">
            {camera.starting ? (
              <>
                <Spinner /> Starting your camera
              </>
            ) : (
              'Your camera is off'
            )}
          </p>
        </div>
      )}
      <p className="absolute top-3 left-3 max-w-[70%] truncate rounded-lg bg-shade px-2.5 py-1 text-sm font-medium text-white">
        {user.name}
      </p>
      <div className="absolute inset-x-0 bottom-4 flex justify-center gap-3">
        <Switch
          testId="mic-button"
          label={mic.on ? 'Turn microphone off' : 'Turn microphone on'}
          shortcut="M"
          device={mic}
        >
          {mic.on ? <Mic /> : <MicOff />}
        </Switch>
        <Switch
          testId="camera-button"
          label={camera.on ? 'Turn camera off' : 'Turn camera on'}
          shortcut="V"
          device={camera}
        >
          {camera.on ? <VideoIcon /> : <VideoOff />}
        </Switch>
      </div>
    </div>
  );
}

interface SwitchProps {
  testId: string;
  label: string;
  shortcut: string;
  device: DeviceView;
  children: ReactNode;
}

function Switch({ testId, label, shortcut, device, children }: SwitchProps) {
  return (
    <Tooltip label={label} shortcut={shortcut}>
      <button
        type="button"
        aria-label={label}
        aria-keyshortcuts={shortcut}
        data-testid={testId}
        data-off={!device.on || undefined}
        disabled={device.starting}
        onClick={device.toggle}
        className={cx(
          'press inline-flex size-13 items-center justify-center rounded-full border shadow-2 [&>svg]:size-5.5',
          device.on
            ? 'border-transparent bg-raised text-ink hover:bg-sunken'
            : 'border-transparent bg-danger text-danger-ink hover:bg-danger-hover',
        )}
      >
        {device.starting ? <Spinner /> : children}
      </button>
    </Tooltip>
  );
}

import { ArrowLeft, Camera, MessageSquare, Mic } from 'lucide-react';
import { Avatar } from '../components/Avatar';
import { Button, buttonClass } from '../components/Button';
import { IconButton } from '../components/IconButton';
import { Link } from '../components/Link';
import { Notice } from '../components/Notice';
import { Select } from '../components/Select';
import { ThemeToggle } from '../components/ThemeToggle';
import { navigate } from '../lib/router';
import { LevelMeter } from './LevelMeter';
import { Preview } from './Preview';
import type { DeviceView } from './view';

export interface LobbyViewProps {
  room: { id: string; name: string };
  user: { id: string; name: string };
  inCall: number;
  mic: DeviceView;
  camera: DeviceView;
  level: number;
  joining: boolean;
  problem?: { title: string; hint: string } | undefined;
  onJoin: () => void;
}

/** The moment before a call: how one looks and sounds, who is there, and the way in. */
export function LobbyView(props: LobbyViewProps) {
  const { room, user, inCall, mic, camera, level, joining, problem, onJoin } = props;
  const secure = mic.problem === undefined || mic.problem.retry;

  return (
    <div className="flex min-h-full flex-col">
      <header className="flex items-center justify-between px-3 py-3 sm:px-6">
        <IconButton
          label="Back to the chat"
          side="right"
          onClick={() => navigate({ page: 'room', room: room.id })}
        >
          <ArrowLeft aria-hidden="true" className="size-5" />
        </IconButton>
        <ThemeToggle />
      </header>
      <main className="mx-auto grid w-full max-w-6xl flex-1 content-center items-center gap-x-12 gap-y-6 px-4 pb-8 sm:px-8 short:grid-cols-2 short:gap-x-6 lg:grid-cols-[1.45fr_1fr]">
        <section aria-label="Preview" className="flex min-w-0 flex-col gap-4">
          <Preview user={user} mic={mic} camera={camera} />
          <div className="flex items-center gap-3 px-1">
            <Mic aria-hidden="true" className="size-4 shrink-0 text-ink-3" />
            <LevelMeter level={level} active={mic.on && mic.track !== undefined} />
          </div>
        </section>
        <section aria-label="Join" className="flex min-w-0 flex-col gap-5">
          <div className="flex items-center gap-4 lg:flex-col lg:items-start">
            <Avatar id={room.id} name={room.name} square size="lg" />
            <div className="min-w-0">
              <h1 className="line-clamp-2 text-2xl font-semibold tracking-tight wrap-anywhere">
                {room.name}
              </h1>
              <p className="text-ink-2" data-testid="who-is-inside">
                {inside(inCall)}
              </p>
            </div>
          </div>
          {problem === undefined ? null : (
            <Notice tone="danger" title={problem.title}>
              {problem.hint}
            </Notice>
          )}
          {mic.problem === undefined ? null : <DeviceNotice device={mic} testId="mic-problem" />}
          {camera.problem === undefined || !secure ? null : (
            <DeviceNotice device={camera} testId="camera-problem" />
          )}
          <div className="grid gap-2.5 sm:max-lg:grid-cols-2">
            <Select
              label="Microphone"
              testId="mic-select"
              icon={<Mic aria-hidden="true" className="size-4.5" />}
              placeholder={mic.choices.length === 0 ? 'No microphone' : 'Microphone'}
              choices={mic.choices}
              value={mic.chosen}
              onChange={mic.choose}
            />
            <Select
              label="Camera"
              testId="camera-select"
              icon={<Camera aria-hidden="true" className="size-4.5" />}
              placeholder={camera.choices.length === 0 ? 'No camera' : 'Camera'}
              choices={camera.choices}
              value={camera.chosen}
              onChange={camera.choose}
            />
          </div>
          <div className="flex flex-col gap-2.5 sm:flex-row lg:flex-col xl:flex-row">
            <Button
              variant="primary"
              size="lg"
              busy={joining}
              data-testid="join-call"
              onClick={onJoin}
              className="sm:flex-1 lg:flex-none xl:flex-1"
            >
              {joining ? 'Joining' : 'Join call'}
            </Button>
            <Link to={{ page: 'room', room: room.id }} className={buttonClass('secondary', 'lg')}>
              <MessageSquare aria-hidden="true" className="size-4.5" />
              Chat only
            </Link>
          </div>
        </section>
      </main>
    </div>
  );
}

function DeviceNotice({ device, testId }: { device: DeviceView; testId: string }) {
  const problem = device.problem;
  if (problem === undefined) return null;
  return (
    <div data-testid={testId}>
      <Notice
        tone="warn"
        title={problem.title}
        action={
          problem.retry ? (
            <Button size="sm" onClick={device.toggle}>
              Try again
            </Button>
          ) : undefined
        }
      >
        {problem.hint}
      </Notice>
    </div>
  );
}

function inside(count: number): string {
  if (count === 0) return 'Nobody is here yet. You will be the first.';
  return count === 1 ? 'One person is in the call.' : `${count} people are in the call.`;
}

import {
  EllipsisVertical,
  Keyboard,
  MessageSquare,
  Mic,
  MicOff,
  MonitorUp,
  MonitorX,
  PhoneOff,
  Settings,
  Users,
  Video as VideoIcon,
  VideoOff,
} from 'lucide-react';
import { Menu, MenuItem } from '../components/Menu';
import { Tooltip } from '../components/Tooltip';
import { UnreadBadge } from '../components/UnreadBadge';
import { cx } from '../lib/cx';
import { CallButton } from './CallButton';
import type { PanelName } from './view';

export interface ControlBarProps {
  mic: { on: boolean; possible: boolean; toggle: () => void };
  camera: { on: boolean; possible: boolean; toggle: () => void };
  share: { on: boolean; possible: boolean; toggle: () => void };
  panel: PanelName | undefined;
  onPanel: (panel: PanelName) => void;
  unread: number;
  people: number;
  onSettings: () => void;
  onShortcuts: () => void;
  onLeave: () => void;
}

/** Everything one does in a call, within reach of a thumb. */
export function ControlBar(props: ControlBarProps) {
  const { mic, camera, share, panel, onPanel, unread, people } = props;
  const { onSettings, onShortcuts, onLeave } = props;

  return (
    <div
      role="toolbar"
      aria-label="Call controls"
      className="flex items-center justify-center gap-1.5 px-1 py-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:gap-2"
    >
      <CallButton
        testId="mic-button"
        label={mic.on ? 'Turn microphone off' : 'Turn microphone on'}
        shortcut="M"
        off={!mic.on}
        disabled={!mic.possible}
        onClick={mic.toggle}
      >
        {mic.on ? <Mic /> : <MicOff />}
      </CallButton>
      <CallButton
        testId="camera-button"
        label={camera.on ? 'Turn camera off' : 'Turn camera on'}
        shortcut="V"
        off={!camera.on}
        disabled={!camera.possible}
        onClick={camera.toggle}
      >
        {camera.on ? <VideoIcon /> : <VideoOff />}
      </CallButton>
      {share.possible ? (
        <CallButton
          testId="share-button"
          label={share.on ? 'Stop sharing your screen' : 'Share your screen'}
          active={share.on}
          onClick={share.toggle}
        >
          {share.on ? <MonitorX /> : <MonitorUp />}
        </CallButton>
      ) : null}
      <Divider />
      <CallButton
        testId="chat-button"
        label={chatLabel(panel === 'chat', unread)}
        shortcut="C"
        active={panel === 'chat'}
        expanded={panel === 'chat'}
        onClick={() => onPanel('chat')}
      >
        <MessageSquare />
        <UnreadBadge
          count={panel === 'chat' ? 0 : unread}
          className="absolute -top-1 -right-1 ring-2 ring-canvas"
        />
      </CallButton>
      <CallButton
        testId="people-button"
        label={
          panel === 'people'
            ? `Close the list of ${people} people`
            : `People in the call: ${people}`
        }
        shortcut="P"
        active={panel === 'people'}
        expanded={panel === 'people'}
        onClick={() => onPanel('people')}
      >
        <Users />
        <span
          aria-hidden="true"
          className="absolute -right-0.5 -bottom-0.5 inline-flex h-4.5 min-w-4.5 items-center justify-center rounded-full border border-line bg-raised px-1 text-[0.6875rem] font-semibold text-ink-2"
        >
          {people}
        </span>
      </CallButton>
      <Menu
        align="center"
        trigger={
          <button
            type="button"
            aria-label="More"
            title="More"
            data-testid="more-button"
            className="press inline-flex size-11 shrink-0 items-center justify-center rounded-2xl text-ink-2 hover:bg-hover hover:text-ink sm:size-12"
          >
            <EllipsisVertical aria-hidden="true" className="size-5.5" />
          </button>
        }
      >
        <MenuItem
          icon={<Settings aria-hidden="true" className="size-4.5" />}
          onSelect={onSettings}
          data-testid="device-settings"
        >
          Camera and microphone
        </MenuItem>
        <MenuItem
          icon={<Keyboard aria-hidden="true" className="size-4.5" />}
          onSelect={onShortcuts}
        >
          Keyboard shortcuts
        </MenuItem>
      </Menu>
      <Divider />
      <Tooltip label="Leave the call">
        <button
          type="button"
          aria-label="Leave the call"
          data-testid="leave-button"
          onClick={onLeave}
          className={cx(
            'press inline-flex h-11 shrink-0 items-center justify-center gap-2 rounded-2xl bg-danger px-3.5 font-semibold text-danger-ink shadow-1 hover:bg-danger-hover sm:h-12 sm:px-5',
          )}
        >
          <PhoneOff aria-hidden="true" className="size-5" />
          <span className="hidden md:inline">Leave</span>
        </button>
      </Tooltip>
    </div>
  );
}

function chatLabel(open: boolean, unread: number): string {
  if (open) return 'Close chat';
  return unread > 0 ? `Open chat, ${unread} unread` : 'Open chat';
}

function Divider() {
  return <span aria-hidden="true" className="mx-1 hidden h-7 w-px bg-line sm:block" />;
}

import { UserPlus } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from '../components/Button';
import { CallTimer } from './CallTimer';
import { ControlBar, type ControlBarProps } from './ControlBar';
import { type InviteLink, InvitePopover } from './InvitePopover';
import { type Lost, ReconnectBanner } from './ReconnectBanner';
import { SidePanel } from './SidePanel';
import { Stage } from './Stage';
import type { TileView } from './view';

export interface CallViewProps extends Omit<ControlBarProps, 'people'> {
  roomName: string;
  startedAt: number;
  tiles: readonly TileView[];
  recent: readonly string[];
  onShown?: ((tiles: readonly string[] | undefined) => void) | undefined;
  people: number;
  lost?: Lost | undefined;
  /** Missing for whoever may not invite. */
  createLink?: (() => Promise<InviteLink>) | undefined;
  panelTitle: string;
  panelContent: ReactNode;
  onClosePanel: () => void;
}

/** A call: pictures, what is beside them, and the controls. */
export function CallView(props: CallViewProps) {
  const { roomName, startedAt, tiles, recent, people, lost, createLink } = props;
  const { panel, panelTitle, panelContent, onClosePanel, ...controls } = props;
  const alone = people === 1;

  return (
    <div className="flex h-dvh flex-col overflow-hidden">
      {lost === undefined ? null : <ReconnectBanner lost={lost} />}
      <header className="flex h-12 shrink-0 items-center gap-3 px-4 sm:px-5">
        <h1 className="min-w-0 truncate font-semibold tracking-tight">{roomName}</h1>
        <CallTimer startedAt={startedAt} />
        {createLink === undefined ? null : (
          <InvitePopover createLink={createLink} side="bottom">
            <Button
              variant="ghost"
              size="sm"
              data-testid="invite-button"
              className="ml-auto"
              icon={<UserPlus aria-hidden="true" className="size-4.5" />}
            >
              Invite
            </Button>
          </InvitePopover>
        )}
      </header>
      <div className="flex min-h-0 flex-1 gap-3 px-2.5 sm:px-4">
        <main aria-label="Call" className="relative flex min-h-0 min-w-0 flex-1">
          <Stage tiles={tiles} recent={recent} onShown={props.onShown} />
          {alone ? <Alone createLink={createLink} /> : null}
        </main>
        {panel === undefined ? null : (
          <SidePanel key={panel} title={panelTitle} onClose={onClosePanel}>
            {panelContent}
          </SidePanel>
        )}
      </div>
      <footer className="shrink-0">
        <ControlBar {...controls} panel={panel} people={people} />
      </footer>
    </div>
  );
}

function Alone({ createLink }: { createLink: (() => Promise<InviteLink>) | undefined }) {
  return (
    <div className="rise absolute inset-x-0 bottom-4 mx-auto flex w-fit max-w-[calc(100%-2rem)] items-center gap-4 rounded-card border border-line bg-raised py-2.5 pr-3 pl-4 text-sm shadow-3">
      <p>
        <span className="font-semibold">You are the only one here.</span>{' '}
        <span className="text-ink-2 max-sm:hidden">Send somebody the link.</span>
      </p>
      {createLink === undefined ? null : (
        <InvitePopover createLink={createLink} side="bottom">
          <Button variant="primary" size="sm" data-testid="invite-alone">
            Invite
          </Button>
        </InvitePopover>
      )}
    </div>
  );
}

import { UserPlus } from 'lucide-react';
import { Popover } from 'radix-ui';
import { type ReactNode, useState } from 'react';
import { CopyField } from '../components/CopyField';
import { Notice } from '../components/Notice';
import { Spinner } from '../components/Spinner';
import { explain } from '../lib/errors';
import { fullTime } from '../lib/time';

export interface InviteLink {
  url: string;
  expiresAt: Date;
}

interface InvitePopoverProps {
  /** Makes a link. Called when the popover opens for the first time. */
  createLink: () => Promise<InviteLink>;
  side: 'top' | 'bottom';
  children: ReactNode;
}

type State = { link?: InviteLink; problem?: { title: string; hint: string } };

/** A link to send to somebody, made when it is asked for. */
export function InvitePopover({ createLink, side, children }: InvitePopoverProps) {
  const [state, setState] = useState<State>({});

  function onOpenChange(open: boolean) {
    if (!open || state.link !== undefined) return;
    setState({});
    createLink().then(
      (link) => setState({ link }),
      (error: unknown) => setState({ problem: explain(error) }),
    );
  }

  return (
    <Popover.Root onOpenChange={onOpenChange}>
      <Popover.Trigger asChild>{children}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          side={side}
          sideOffset={10}
          collisionPadding={12}
          aria-label="Invite people"
          className="rise z-50 w-[min(26rem,calc(100vw-1.5rem))] rounded-card border border-line bg-raised p-4 shadow-3"
        >
          <h2 className="flex items-center gap-2 font-semibold tracking-tight">
            <UserPlus aria-hidden="true" className="size-4.5 text-accent-text" />
            Invite people
          </h2>
          <p className="mt-1 mb-3 text-sm text-ink-2">
            Whoever has this link can come in, with an account or as a guest.
          </p>
          {state.problem === undefined ? null : (
            <Notice tone="danger" title={state.problem.title}>
              {state.problem.hint}
            </Notice>
          )}
          {state.link === undefined && state.problem === undefined ? (
            <div role="status" className="flex h-11 items-center gap-2 text-sm text-ink-3">
              <Spinner /> Making a link
            </div>
          ) : null}
          {state.link === undefined ? null : (
            <>
              <CopyField label="Invite link" value={state.link.url} />
              <p className="mt-2 text-xs text-ink-3">
                Works until {fullTime(state.link.expiresAt)}.
              </p>
            </>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

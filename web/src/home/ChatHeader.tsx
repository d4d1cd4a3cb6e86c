import { ArrowLeft, Phone, UserPlus } from 'lucide-react';
import { type InviteLink, InvitePopover } from '../call/InvitePopover';
import { Avatar } from '../components/Avatar';
import { buttonClass } from '../components/Button';
import { IconButton } from '../components/IconButton';
import { Link } from '../components/Link';
import { cx } from '../lib/cx';

interface ChatHeaderProps {
  title: string;
  subtitle?: string | undefined;
  colourId: string;
  /** The room to call in; direct conversations have none. */
  room?: string | undefined;
  inCall: number;
  createLink?: (() => Promise<InviteLink>) | undefined;
}

/** Where one is, who else is, and the way into the call. */
export function ChatHeader(props: ChatHeaderProps) {
  const { title, subtitle, colourId, room, inCall, createLink } = props;

  return (
    <header className="flex h-16 shrink-0 items-center gap-3 border-b border-line bg-surface px-2 sm:px-4">
      <Link
        to={{ page: 'home' }}
        aria-label="Back to the list"
        className="press inline-flex size-10 shrink-0 items-center justify-center rounded-control text-ink-2 hover:bg-hover md:hidden"
      >
        <ArrowLeft aria-hidden="true" className="size-5" />
      </Link>
      <Avatar id={colourId} name={title} square={room !== undefined} className="max-sm:hidden" />
      <div className="min-w-0 flex-1">
        <h1 className="truncate leading-tight font-semibold tracking-tight">{title}</h1>
        {subtitle === undefined ? null : (
          <p className="truncate text-sm leading-tight text-ink-3">{subtitle}</p>
        )}
      </div>
      {createLink === undefined ? null : (
        <InvitePopover createLink={createLink} side="bottom">
          <IconButton label="Invite people" side="bottom" data-testid="invite-button">
            <UserPlus aria-hidden="true" className="size-5" />
          </IconButton>
        </InvitePopover>
      )}
      {room === undefined ? null : (
        <Link
          to={{ page: 'call', room }}
          data-testid="open-call"
          className={cx(buttonClass(inCall > 0 ? 'primary' : 'secondary'), 'max-sm:px-3')}
        >
          <Phone aria-hidden="true" className="size-4.5" />
          <span>
            {inCall > 0 ? 'Join' : 'Start'}
            <span className="max-sm:sr-only"> call</span>
          </span>
          {inCall > 0 ? (
            <span className="rounded-full bg-accent-ink/20 px-1.5 text-xs font-semibold">
              {inCall}
              <span className="sr-only"> in it</span>
            </span>
          ) : null}
        </Link>
      )}
    </header>
  );
}

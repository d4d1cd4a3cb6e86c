import { Avatar } from '../components/Avatar';
import { Link } from '../components/Link';
import { UnreadBadge } from '../components/UnreadBadge';
import { cx } from '../lib/cx';
import { listTime } from '../lib/time';
import type { PlaceView } from './view';

interface PlaceCardProps {
  place: PlaceView;
  current: boolean;
}

/** One line of the list: where it goes, what was said last, what is new. */
export function PlaceCard({ place, current }: PlaceCardProps) {
  const room = place.kind === 'room';
  return (
    <Link
      to={room ? { page: 'room', room: place.id } : { page: 'direct', conversation: place.id }}
      data-testid={room ? 'room-card' : 'direct-card'}
      data-id={place.id}
      aria-current={current ? 'page' : undefined}
      className={cx(
        'press flex items-center gap-3 rounded-card px-3 py-2.5 -outline-offset-2',
        current ? 'bg-accent-soft' : 'hover:bg-hover',
      )}
    >
      <Avatar id={place.colourId} name={place.title} square={room} />
      <div className="min-w-0 flex-1">
        <div className="flex items-baseline gap-2">
          <span
            className={cx(
              'min-w-0 flex-1 truncate',
              place.unread > 0 ? 'font-semibold' : 'font-medium',
            )}
          >
            {place.title}
          </span>
          {place.lastAt === undefined ? null : (
            <time dateTime={place.lastAt.toISOString()} className="shrink-0 text-xs text-ink-3">
              {listTime(place.lastAt, new Date())}
            </time>
          )}
        </div>
        <div className="flex h-5 items-center gap-2">
          <span className="min-w-0 flex-1 truncate text-sm text-ink-3">
            {place.preview ?? 'No messages yet'}
          </span>
          {place.inCall > 0 ? <InCall count={place.inCall} /> : null}
          <UnreadBadge count={place.unread} />
        </div>
      </div>
    </Link>
  );
}

export function InCall({ count }: { count: number }) {
  return (
    <span
      data-testid="in-call"
      className="inline-flex h-5 shrink-0 items-center gap-1.5 rounded-full bg-accent-soft px-2 text-xs font-semibold text-accent-text"
    >
      <span aria-hidden="true" className="size-1.5 rounded-full bg-speaking" />
      {count} in call
    </span>
  );
}

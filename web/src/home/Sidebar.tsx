import { MessageSquarePlus, Plus } from 'lucide-react';
import type { ReactNode } from 'react';
import { TableArt } from '../components/art';
import { Button } from '../components/Button';
import { EmptyState } from '../components/EmptyState';
import { IconButton } from '../components/IconButton';
import { Link } from '../components/Link';
import { Logo } from '../components/Logo';
import { Loading } from '../components/Spinner';
import { PlaceCard } from './PlaceCard';
import type { PlaceView } from './view';

export interface SidebarProps {
  /** Missing while they are being loaded. */
  places: readonly PlaceView[] | undefined;
  /** Why they could not be loaded. */
  problem?: { title: string; hint: string } | undefined;
  onRetry: () => void;
  current?: string | undefined;
  /** Guests belong to one room and make no others. */
  guest: boolean;
  onCreateRoom: () => void;
  onOpenDirect: () => void;
  account: ReactNode;
}

/** Where one can go: rooms, people, and the account. */
export function Sidebar(props: SidebarProps) {
  const { places, problem, onRetry, current, guest, onCreateRoom, onOpenDirect, account } = props;
  const rooms = places?.filter((place) => place.kind === 'room') ?? [];
  const people = places?.filter((place) => place.kind === 'direct') ?? [];

  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex h-16 shrink-0 items-center justify-between pr-3 pl-5">
        <h1 className="sr-only md:hidden">Rooms and people</h1>
        <Link to={{ page: 'home' }} aria-label="confer, to the start" className="rounded-control">
          <Logo />
        </Link>
        {guest ? null : (
          <div className="flex">
            <IconButton
              label="Write to somebody"
              side="bottom"
              data-testid="open-direct"
              onClick={onOpenDirect}
            >
              <MessageSquarePlus aria-hidden="true" className="size-5" />
            </IconButton>
            <IconButton
              label="New room"
              side="bottom"
              data-testid="create-room"
              onClick={onCreateRoom}
            >
              <Plus aria-hidden="true" className="size-5.5" />
            </IconButton>
          </div>
        )}
      </header>
      <nav aria-label="Rooms and people" className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        {places === undefined && problem === undefined ? (
          <Loading label="Loading your rooms" />
        ) : null}
        {problem === undefined ? null : (
          <EmptyState title={problem.title} action={<Button onClick={onRetry}>Try again</Button>}>
            {problem.hint}
          </EmptyState>
        )}
        {places?.length === 0 ? (
          <EmptyState
            art={<TableArt />}
            title="No rooms yet"
            action={
              <Button variant="primary" onClick={onCreateRoom} data-testid="create-first-room">
                Make a room
              </Button>
            }
          >
            Make one and send its link, or open a link you were sent.
          </EmptyState>
        ) : null}
        <Section title="Rooms" places={rooms} current={current} />
        <Section title="People" places={people} current={current} />
      </nav>
      <footer className="flex shrink-0 items-center gap-1 border-t border-line p-2 pb-[max(0.5rem,env(safe-area-inset-bottom))]">
        {account}
      </footer>
    </div>
  );
}

interface SectionProps {
  title: string;
  places: readonly PlaceView[];
  current: string | undefined;
}

function Section({ title, places, current }: SectionProps) {
  if (places.length === 0) return null;
  return (
    <section aria-label={title} className="mb-3">
      <h2 className="px-3 py-1.5 text-xs font-semibold text-ink-3">{title}</h2>
      <ul className="flex flex-col gap-0.5">
        {places.map((place) => (
          <li key={place.id}>
            <PlaceCard place={place} current={place.id === current} />
          </li>
        ))}
      </ul>
    </section>
  );
}

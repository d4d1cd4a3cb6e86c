import { MessageSquarePlus, Plus } from 'lucide-react';
import { Avatar } from '../components/Avatar';
import { TableArt } from '../components/art';
import { Button } from '../components/Button';
import { Link } from '../components/Link';
import { InCall } from './PlaceCard';
import type { PlaceView } from './view';

interface WelcomeProps {
  name: string;
  places: readonly PlaceView[];
  guest: boolean;
  onCreateRoom: () => void;
  onOpenDirect: () => void;
}

/** What stands beside the list while nothing is chosen: what happens now, and how to begin. */
export function Welcome({ name, places, guest, onCreateRoom, onOpenDirect }: WelcomeProps) {
  const running = places.filter((place) => place.inCall > 0);
  const unread = places.reduce((sum, place) => sum + place.unread, 0);

  return (
    <div className="flex h-full items-center justify-center overflow-y-auto p-8">
      <div className="flex w-full max-w-lg flex-col items-center text-center">
        <TableArt />
        <h1 className="mt-6 text-2xl font-semibold tracking-tight text-balance">Hello, {name}</h1>
        <p className="mt-1.5 text-ink-2">{summary(running.length, unread)}</p>
        {running.length === 0 ? null : (
          <ul className="mt-6 flex w-full flex-col gap-2 text-left">
            {running.map((place) => (
              <li
                key={place.id}
                className="flex items-center gap-3 rounded-card border border-line bg-surface p-3 shadow-1"
              >
                <Avatar id={place.colourId} name={place.title} square />
                <span className="min-w-0 flex-1 truncate font-medium">{place.title}</span>
                <InCall count={place.inCall} />
                <Link
                  to={{ page: 'call', room: place.id }}
                  className="press rounded-control bg-accent px-3.5 py-1.5 text-sm font-medium text-accent-ink hover:bg-accent-hover"
                >
                  Join
                </Link>
              </li>
            ))}
          </ul>
        )}
        {guest ? null : (
          <div className="mt-7 flex flex-wrap justify-center gap-3">
            <Button
              variant="primary"
              icon={<Plus aria-hidden="true" className="size-4.5" />}
              onClick={onCreateRoom}
            >
              New room
            </Button>
            <Button
              icon={<MessageSquarePlus aria-hidden="true" className="size-4.5" />}
              onClick={onOpenDirect}
            >
              Write to somebody
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

function summary(running: number, unread: number): string {
  if (running > 0) return running === 1 ? 'A call is going on.' : `${running} calls are going on.`;
  if (unread > 0)
    return unread === 1 ? 'You have one new message.' : `You have ${unread} new messages.`;
  return 'Nothing is waiting for you. Start a room, or choose one.';
}

import { MicOff, MonitorUp, UserX, VideoOff, Volume2, WifiOff } from 'lucide-react';
import { Avatar } from '../components/Avatar';
import { IconButton } from '../components/IconButton';
import type { PersonView } from './view';

interface PeoplePanelProps {
  people: readonly PersonView[];
  canRemove: boolean;
  onRemove: (person: PersonView) => void;
}

export function PeoplePanel({ people, canRemove, onRemove }: PeoplePanelProps) {
  return (
    <ul aria-label="People in the call" className="h-full overflow-y-auto p-2">
      {people.map((person) => (
        <li
          key={person.participant}
          data-testid="person"
          data-participant={person.participant}
          className="group/person flex min-h-14 items-center gap-3 rounded-control px-3 py-1.5 hover:bg-hover"
        >
          <Avatar id={person.userId} name={person.name} />
          <div className="min-w-0 flex-1">
            <p className="truncate font-medium">
              {person.name}
              {person.self ? <span className="font-normal text-ink-3"> (you)</span> : null}
            </p>
            {person.away ? (
              <p className="flex items-center gap-1 text-xs text-warn-text">
                <WifiOff aria-hidden="true" className="size-3" />
                Reconnecting…
              </p>
            ) : person.guest ? (
              <p className="text-xs text-ink-3">Guest</p>
            ) : null}
          </div>
          <div className="flex items-center gap-2 text-ink-3 [&>svg]:size-4.5">
            {person.sharing ? (
              <MonitorUp role="img" aria-label="Sharing the screen" className="text-accent-text" />
            ) : null}
            {person.speaking ? (
              <Volume2 role="img" aria-label="Speaking" className="text-accent-text" />
            ) : null}
            {person.cameraOff ? <VideoOff role="img" aria-label="Camera off" /> : null}
            {person.micMuted ? <MicOff role="img" aria-label="Microphone off" /> : null}
          </div>
          {canRemove && !person.self ? (
            <IconButton
              label={`Remove ${person.name} from the call`}
              side="left"
              data-testid="remove-person"
              onClick={() => onRemove(person)}
              className="text-danger-text opacity-0 group-hover/person:opacity-100 focus-visible:opacity-100 pointer-coarse:opacity-100"
            >
              <UserX aria-hidden="true" className="size-4.5" />
            </IconButton>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

import type { Room } from 'confer-sdk';
import { useState } from 'react';
import { ConversationPane } from '../chat/ConversationPane';
import { useConversation } from '../chat/useConversation';
import { Loading } from '../components/Spinner';
import { toastError } from '../components/toastStore';
import { useRevision } from '../hooks/useRevision';
import { useShortcuts } from '../hooks/useShortcuts';
import { inviteLink } from '../lib/invite';
import { remember, remembered } from '../lib/memory';
import { DeviceSettingsDialog } from '../settings/DeviceSettingsDialog';
import { ShortcutsDialog } from '../settings/ShortcutsDialog';
import { AudioPlayers } from './AudioPlayers';
import { CallView } from './CallView';
import { PeoplePanel } from './PeoplePanel';
import { RemoveDialog } from './RemoveDialog';
import { peopleOf, tilesOf } from './tilesOf';
import { useCallDevice, useScreenShare } from './useCallDevices';
import { useCallNews } from './useCallNews';
import { useRecentSpeakers } from './useRecentSpeakers';
import { useWantedPictures } from './useWantedPictures';
import type { PanelName, PersonView } from './view';

const SPEAKER_KEY = 'confer.speaker';

/** A running call, connected. */
export function CallScreen({ room, startedAt }: { room: Room; startedAt: number }) {
  useRevision(room);
  useCallNews(room);
  const mic = useCallDevice(room, 'microphone');
  const camera = useCallDevice(room, 'camera');
  const share = useScreenShare(room);
  const recent = useRecentSpeakers(room);
  const onShown = useWantedPictures(room);
  const { conversation } = useConversation(room.id);
  const [panel, setPanel] = useState<PanelName>();
  const [dialog, setDialog] = useState<'settings' | 'shortcuts'>();
  const [removing, setRemoving] = useState<PersonView>();
  const [speaker, setSpeaker] = useState(() => remembered(SPEAKER_KEY));
  const { permissions } = room.local;
  const people = peopleOf(room);

  function toggle(name: PanelName) {
    setPanel((open) => (open === name ? undefined : name));
  }

  useShortcuts({
    m: () => mic.possible && mic.toggle(),
    v: () => camera.possible && camera.toggle(),
    c: () => toggle('chat'),
    p: () => toggle('people'),
    '?': () => setDialog('shortcuts'),
  });

  const chat =
    conversation === undefined ? (
      <Loading label="Opening the chat" />
    ) : (
      <ConversationPane
        key={conversation.id}
        conversation={conversation}
        canWrite={permissions.chat_write}
      />
    );

  return (
    <>
      <CallView
        roomName={room.name}
        startedAt={startedAt}
        tiles={tilesOf(room)}
        recent={recent}
        onShown={onShown}
        people={people.length}
        lost={lostOf(room)}
        createLink={room.local.user.guest ? undefined : () => inviteLink(room.id)}
        mic={mic}
        camera={camera}
        share={share}
        unread={conversation?.unread ?? 0}
        panel={panel}
        panelTitle={panel === 'chat' ? 'Chat' : 'People'}
        panelContent={
          panel === 'chat' ? (
            chat
          ) : (
            <PeoplePanel people={people} canRemove={permissions.moderate} onRemove={setRemoving} />
          )
        }
        onPanel={toggle}
        onClosePanel={() => setPanel(undefined)}
        onSettings={() => setDialog('settings')}
        onShortcuts={() => setDialog('shortcuts')}
        onLeave={() => void room.leave()}
      />
      <AudioPlayers room={room} speaker={speaker} />
      <DeviceSettingsDialog
        open={dialog === 'settings'}
        onOpenChange={(open) => setDialog(open ? 'settings' : undefined)}
        mic={mic}
        camera={camera}
        speaker={speaker}
        onSpeaker={(id) => {
          remember(SPEAKER_KEY, id);
          setSpeaker(id);
        }}
      />
      <ShortcutsDialog
        open={dialog === 'shortcuts'}
        onOpenChange={(open) => setDialog(open ? 'shortcuts' : undefined)}
      />
      <RemoveDialog
        person={removing}
        onClose={() => setRemoving(undefined)}
        onRemove={(person) => {
          setRemoving(undefined);
          room.remove(person.participant).catch(toastError);
        }}
      />
    </>
  );
}

function lostOf(room: Room): 'signaling' | 'media' | undefined {
  if (room.transportState === 'failed') return 'media';
  return room.state === 'reconnecting' ? 'signaling' : undefined;
}

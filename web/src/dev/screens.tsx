import { ConferError } from 'confer-sdk';
import type { ReactNode } from 'react';
import { AuthScreen } from '../auth/AuthScreen';
import { CallView, type CallViewProps } from '../call/CallView';
import { PeoplePanel } from '../call/PeoplePanel';
import type { PanelName, TileView } from '../call/view';
import { ChatPane } from '../chat/ChatPane';
import { NotFound } from '../components/NotFound';
import { AccountMenu } from '../home/AccountMenu';
import { ChatHeader } from '../home/ChatHeader';
import { CreateRoomDialog } from '../home/CreateRoomDialog';
import { HomeLayout } from '../home/HomeLayout';
import { Landing } from '../home/Landing';
import { Sidebar } from '../home/Sidebar';
import { Welcome } from '../home/Welcome';
import { describeMediaProblem } from '../lib/mediaErrors';
import { LobbyView } from '../lobby/LobbyView';
import type { DeviceView } from '../lobby/view';
import { ShortcutsDialog } from '../settings/ShortcutsDialog';
import { messages, PLACES, people, picture, tiles, withScreen } from './fixtures';

const ME = { id: 'user-Alice Nguyen', name: 'Alice Nguyen', guest: false };
const nothing = () => undefined;
const never = () => new Promise<never>(nothing);

function chat(failed = false): ReactNode {
  return (
    <ChatPane
      title="Weekly plan"
      messages={messages(failed)}
      loading={false}
      hasOlder={false}
      loadOlder={never}
      unread={{ after: 6, upTo: 9 }}
      typing={['Bob']}
      canWrite
      onSend={nothing}
      onTyping={nothing}
      onRetry={nothing}
    />
  );
}

function sidebar(places = PLACES, current?: string): ReactNode {
  return (
    <Sidebar
      places={places}
      current={current}
      onRetry={nothing}
      guest={false}
      onCreateRoom={nothing}
      onOpenDirect={nothing}
      account={
        <AccountMenu user={ME} email="alice@example.org" onShortcuts={nothing} onLogout={nothing} />
      }
    />
  );
}

function welcome(places = PLACES): ReactNode {
  return (
    <Welcome
      name="Alice"
      places={places}
      guest={false}
      onCreateRoom={nothing}
      onOpenDirect={nothing}
    />
  );
}

function call(shown: readonly TileView[], extra: Partial<CallViewProps> = {}): ReactNode {
  const count = new Set(shown.map((tile) => tile.participant)).size;
  const panel: PanelName | undefined = extra.panel;
  return (
    <CallView
      roomName="Weekly plan"
      startedAt={Date.now() - 754_000}
      tiles={shown}
      recent={[]}
      people={count}
      mic={{ on: true, possible: true, toggle: nothing }}
      camera={{ on: true, possible: true, toggle: nothing }}
      share={{ on: false, possible: true, toggle: nothing }}
      unread={3}
      createLink={() =>
        Promise.resolve({
          url: 'https://confer.example.org/i/3fJk29sLqPzXv8TtWm1a0g',
          expiresAt: new Date(Date.now() + 604_800_000),
        })
      }
      panel={undefined}
      panelTitle={panel === 'chat' ? 'Chat' : 'People'}
      panelContent={
        panel === 'chat' ? (
          chat()
        ) : (
          <PeoplePanel people={people(count)} canRemove onRemove={nothing} />
        )
      }
      onPanel={nothing}
      onClosePanel={nothing}
      onSettings={nothing}
      onShortcuts={nothing}
      onLeave={nothing}
      {...extra}
    />
  );
}

function device(more: Partial<DeviceView>): DeviceView {
  return {
    on: true,
    starting: false,
    choices: [
      { value: 'a', label: 'Built-in device' },
      { value: 'b', label: 'Desk microphone with quite a long name (USB Audio Class 2.0)' },
    ],
    chosen: 'b',
    toggle: nothing,
    choose: nothing,
    ...more,
  };
}

function lobby(mic: DeviceView, camera: DeviceView): ReactNode {
  return (
    <LobbyView
      room={{ id: 'r1', name: 'Weekly plan' }}
      user={ME}
      inCall={3}
      mic={mic}
      camera={camera}
      level={0.6}
      joining={false}
      onJoin={nothing}
    />
  );
}

function off(code: ConstructorParameters<typeof ConferError>[0]): [DeviceView, DeviceView] {
  const error = new ConferError(code, '');
  return [
    device({ on: false, choices: [], problem: describeMediaProblem(error, 'microphone') }),
    device({ on: false, choices: [], problem: describeMediaProblem(error, 'camera') }),
  ];
}

function chatPage(): ReactNode {
  return (
    <HomeLayout sidebar={sidebar(PLACES, 'r1')} showing="main">
      <ChatHeader
        title="Weekly plan"
        colourId="r1"
        room="r1"
        inCall={4}
        subtitle="Alice, Bob and 3 others"
        createLink={() => never()}
      />
      <div className="min-h-0 flex-1">{chat(true)}</div>
    </HomeLayout>
  );
}

export const SCREENS: Record<string, () => ReactNode> = {
  landing: () => <Landing />,
  login: () => <AuthScreen mode="login" />,
  register: () => <AuthScreen mode="register" />,
  home: () => (
    <HomeLayout sidebar={sidebar()} showing="sidebar">
      {welcome()}
    </HomeLayout>
  ),
  'home-empty': () => (
    <HomeLayout sidebar={sidebar([])} showing="sidebar">
      {welcome([])}
    </HomeLayout>
  ),
  'create-room': () => (
    <HomeLayout sidebar={sidebar()} showing="sidebar">
      {welcome()}
      <CreateRoomDialog open onOpenChange={nothing} onCreate={never} />
    </HomeLayout>
  ),
  chat: chatPage,
  shortcuts: () => <ShortcutsDialog open onOpenChange={nothing} />,
  lobby: () => lobby(device({}), device({ track: picture(190), chosen: 'a' })),
  'lobby-denied': () => lobby(...off('media_denied')),
  'lobby-insecure': () => lobby(...off('media_unsupported')),
  'call-1': () => call(tiles(1, 1)),
  'call-2': () => call(tiles(2, 2)),
  'call-3': () => call(tiles(3, 2)),
  'call-5': () => call(tiles(5, 3), { mic: { on: false, possible: true, toggle: nothing } }),
  'call-9': () => call(tiles(9, 6)),
  'call-13': () => call(tiles(13, 4)),
  'call-screen': () => call(withScreen(4)),
  'call-chat': () => call(tiles(3, 2), { panel: 'chat' }),
  'call-people': () => call(tiles(5, 3), { panel: 'people' }),
  'call-lost': () => call(tiles(4, 3), { lost: 'signaling' }),
  'not-found': () => (
    <main className="h-full">
      <NotFound />
    </main>
  ),
};

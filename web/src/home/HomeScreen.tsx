import type { UserInfo } from 'confer-sdk';
import { useState } from 'react';
import { client } from '../client';
import { toastError } from '../components/toastStore';
import { useShortcuts } from '../hooks/useShortcuts';
import { explain } from '../lib/errors';
import { navigate, type Route } from '../lib/router';
import { ShortcutsDialog } from '../settings/ShortcutsDialog';
import { AccountMenu } from './AccountMenu';
import { ConnectionBar } from './ConnectionBar';
import { ConversationScreen } from './ConversationScreen';
import { CreateRoomDialog } from './CreateRoomDialog';
import { DirectDialog } from './DirectDialog';
import { HomeLayout } from './HomeLayout';
import { Sidebar } from './Sidebar';
import { useEmail } from './useEmail';
import { usePlaces } from './usePlaces';
import { Welcome } from './Welcome';

interface HomeScreenProps {
  user: UserInfo;
  route: Extract<Route, { page: 'home' | 'room' | 'direct' }>;
}

type Opened = 'create' | 'direct' | 'shortcuts';

/** Everything outside of a call: the list of places, and the conversation of one. */
export function HomeScreen({ user, route }: HomeScreenProps) {
  const { places, error, refresh } = usePlaces();
  const [opened, setOpened] = useState<Opened>();
  const email = useEmail(user);
  const current =
    route.page === 'room' ? route.room : route.page === 'direct' ? route.conversation : undefined;
  const place = places?.find(({ id }) => id === current);
  useShortcuts({ '?': () => setOpened('shortcuts') });

  const dialog = (name: Opened) => ({
    open: opened === name,
    onOpenChange: (open: boolean) => setOpened(open ? name : undefined),
  });

  async function createRoom(name: string) {
    const room = await client.api.createRoom(name);
    setOpened(undefined);
    refresh();
    navigate({ page: 'room', room: room.id });
  }

  async function openDirect(address: string) {
    const conversation = await client.chat.openDirect(address);
    setOpened(undefined);
    navigate({ page: 'direct', conversation: conversation.id });
  }

  function logOut() {
    client.auth.logout().catch(toastError);
    navigate({ page: 'home' });
  }

  const create = () => setOpened('create');
  const direct = () => setOpened('direct');
  return (
    <HomeLayout
      showing={current === undefined ? 'sidebar' : 'main'}
      banner={<ConnectionBar />}
      sidebar={
        <Sidebar
          places={places}
          problem={places === undefined && error !== undefined ? explain(error) : undefined}
          onRetry={refresh}
          current={current}
          guest={user.guest}
          onCreateRoom={create}
          onOpenDirect={direct}
          account={
            <AccountMenu
              user={user}
              email={email}
              onShortcuts={() => setOpened('shortcuts')}
              onLogout={logOut}
            />
          }
        />
      }
    >
      {current === undefined ? (
        <Welcome
          name={user.name}
          places={places ?? []}
          guest={user.guest}
          onCreateRoom={create}
          onOpenDirect={direct}
        />
      ) : (
        <ConversationScreen key={current} id={current} user={user} inCall={place?.inCall ?? 0} />
      )}
      <CreateRoomDialog {...dialog('create')} onCreate={createRoom} />
      <DirectDialog {...dialog('direct')} onOpen={openDirect} />
      <ShortcutsDialog {...dialog('shortcuts')} />
    </HomeLayout>
  );
}

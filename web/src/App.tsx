import { useEffect } from 'react';
import { AuthScreen } from './auth/AuthScreen';
import { forgetReturn, returnAfterLogin, returnPlace } from './auth/returnTo';
import { CallPage } from './call/CallPage';
import { Button } from './components/Button';
import { EmptyState } from './components/EmptyState';
import { NotFound } from './components/NotFound';
import { Loading } from './components/Spinner';
import { HomeScreen } from './home/HomeScreen';
import { InviteScreen } from './home/InviteScreen';
import { Landing } from './home/Landing';
import { useMessageNews } from './hooks/useMessageNews';
import { type Session, useSession } from './hooks/useSession';
import { explain } from './lib/errors';
import { navigate, useRoute } from './lib/router';

export function App() {
  const session = useSession();
  useMessageNews();

  switch (session.state) {
    case 'restoring':
      return <Loading label="One moment" />;
    case 'unreachable': {
      const { title, hint } = explain(session.error);
      return (
        <main className="flex h-full items-center justify-center">
          <EmptyState
            heading="h1"
            title={title}
            action={
              <Button variant="primary" onClick={session.retry}>
                Try again
              </Button>
            }
          >
            {hint}
          </EmptyState>
        </main>
      );
    }
    case 'signed-out':
    case 'signed-in':
      return <Page session={session} />;
  }
}

function Page({ session }: { session: Extract<Session, { state: `signed-${string}` }> }) {
  const route = useRoute();
  const user = session.state === 'signed-in' ? session.user : undefined;

  switch (route.page) {
    case 'not-found':
      return (
        <main className="h-full">
          <NotFound />
        </main>
      );
    case 'invite':
      return <InviteScreen key={route.code} code={route.code} user={user} />;
    case 'login':
    case 'register':
      return user === undefined || user.guest ? <AuthScreen mode={route.page} /> : <LoggedIn />;
    case 'home':
      return user === undefined ? <Start /> : <HomeScreen user={user} route={route} />;
    case 'room':
    case 'direct':
    case 'call':
      if (user === undefined) {
        return <LoginFirst />;
      }
      return route.page === 'call' ? (
        <CallPage key={route.room} roomId={route.room} user={user} />
      ) : (
        <HomeScreen user={user} route={route} />
      );
  }
}

function Start() {
  useEffect(forgetReturn, []);
  return <Landing />;
}

/** This address needs an account; it is shown as soon as there is one. */
function LoginFirst() {
  useEffect(() => returnAfterLogin(window.location.pathname), []);
  return <AuthScreen mode="login" />;
}

function LoggedIn() {
  useEffect(() => navigate(returnPlace(), 'replace'), []);
  return <Loading label="One moment" />;
}

import type { InvitePreview, UserInfo } from 'confer-sdk';
import { type FormEvent, useCallback, useEffect, useState } from 'react';
import { returnAfterLogin } from '../auth/returnTo';
import { client } from '../client';
import { Avatar } from '../components/Avatar';
import { Button } from '../components/Button';
import { Link } from '../components/Link';
import { Logo } from '../components/Logo';
import { NotFound } from '../components/NotFound';
import { Notice } from '../components/Notice';
import { Loading } from '../components/Spinner';
import { TextField } from '../components/TextField';
import { ThemeToggle } from '../components/ThemeToggle';
import { usePolled } from '../hooks/usePolled';
import { ACCOUNT_FIELDS, type Explanation, explain, INVITE_WORDING } from '../lib/errors';
import { navigate } from '../lib/router';

interface InviteScreenProps {
  code: string;
  user: UserInfo | undefined;
}

/** An invite rarely changes while it is looked at. */
const EVERY_MS = 60_000;

/** Behind an invite link: where it leads, and the ways in. */
export function InviteScreen({ code, user }: InviteScreenProps) {
  const ask = useCallback(() => client.api.invitePreview(code), [code]);
  const { value: preview, error } = usePolled(ask, EVERY_MS);

  return (
    <div className="flex min-h-full flex-col">
      <header className="flex items-center justify-between px-5 py-4 sm:px-8">
        <Link to={{ page: 'home' }} aria-label="confer, to the start" className="rounded-control">
          <Logo />
        </Link>
        <ThemeToggle />
      </header>
      <main className="flex flex-1 items-start justify-center px-5 pt-[6vh] pb-12">
        {preview === undefined ? (
          <Unknown error={error} />
        ) : (
          <InviteCard code={code} preview={preview} user={user} />
        )}
      </main>
    </div>
  );
}

function Unknown({ error }: { error: unknown }) {
  if (error === undefined) return <Loading label="Looking at the invite" />;
  const { title, hint } = explain(error, INVITE_WORDING);
  return <NotFound title={title} hint={hint} />;
}

interface InviteCardProps {
  code: string;
  preview: InvitePreview;
  user: UserInfo | undefined;
}

export function InviteCard({ code, preview, user }: InviteCardProps) {
  const { room, invited_by: invitedBy } = preview;
  const here = client.auth.guestRoom?.id === room.id;

  useEffect(() => {
    if (user === undefined) returnAfterLogin(window.location.pathname);
  }, [user]);

  return (
    <section className="rise w-full max-w-md rounded-sheet border border-line bg-surface p-6 text-center shadow-2 sm:p-8">
      <Avatar id={room.id} name={room.name} square size="lg" />
      <p className="mt-4 text-ink-2">{invitedBy} invites you to</p>
      <h1 className="mb-6 text-2xl font-semibold tracking-tight text-balance wrap-anywhere">
        {room.name}
      </h1>
      {user === undefined || (user.guest && !here) ? (
        <GuestForm code={code} room={room.id} />
      ) : (
        <EnterAs code={code} room={room.id} user={user} />
      )}
    </section>
  );
}

function EnterAs({ code, room, user }: { code: string; room: string; user: UserInfo }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Explanation>();

  async function enter() {
    setBusy(true);
    try {
      if (!user.guest) await client.api.acceptInvite(code);
      navigate({ page: 'call', room }, 'replace');
    } catch (error) {
      setProblem(explain(error, INVITE_WORDING));
      setBusy(false);
    }
  }

  return (
    <div className="flex flex-col gap-4">
      {problem === undefined ? null : (
        <Notice tone="danger" title={problem.title} className="text-left">
          {problem.hint}
        </Notice>
      )}
      <Button variant="primary" size="lg" busy={busy} onClick={enter} data-testid="invite-accept">
        Continue as {user.name}
      </Button>
    </div>
  );
}

function GuestForm({ code, room }: { code: string; room: string }) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Explanation>();

  async function enter(event: FormEvent) {
    event.preventDefault();
    if (name.trim() === '') {
      setProblem({ title: '', hint: '', fields: { name: 'Enter the name others shall see.' } });
      return;
    }
    setBusy(true);
    try {
      await client.auth.guest({ invite: code, name: name.trim() });
      navigate({ page: 'call', room }, 'replace');
    } catch (error) {
      setProblem(explain(error, INVITE_WORDING, ACCOUNT_FIELDS));
      setBusy(false);
    }
  }

  return (
    <>
      <form noValidate onSubmit={enter} className="flex flex-col gap-4 text-left">
        {problem !== undefined && problem.title !== '' ? (
          <Notice tone="danger" title={problem.title}>
            {problem.hint}
          </Notice>
        ) : null}
        <TextField
          label="Your name"
          autoComplete="name"
          maxLength={64}
          data-testid="guest-name"
          value={name}
          problem={problem?.fields.name}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" variant="primary" size="lg" busy={busy} data-testid="guest-submit">
          Continue as a guest
        </Button>
      </form>
      <p className="mt-6 text-sm text-ink-2">
        You have an account?{' '}
        <Link
          to={{ page: 'login' }}
          data-testid="invite-login"
          className="font-semibold text-accent-text underline-offset-2 hover:underline"
        >
          Log in
        </Link>{' '}
        or{' '}
        <Link
          to={{ page: 'register' }}
          data-testid="invite-register"
          className="font-semibold text-accent-text underline-offset-2 hover:underline"
        >
          create one
        </Link>
      </p>
    </>
  );
}

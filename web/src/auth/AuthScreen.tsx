import { client } from '../client';
import { Link } from '../components/Link';
import { Logo } from '../components/Logo';
import { ThemeToggle } from '../components/ThemeToggle';
import { AuthForm, type Credentials } from './AuthForm';

interface AuthScreenProps {
  mode: 'login' | 'register';
}

/** Where one logs in or registers. Where to go afterwards is the app's business. */
export function AuthScreen({ mode }: AuthScreenProps) {
  const registering = mode === 'register';

  async function submit({ email, password, name }: Credentials) {
    if (registering) await client.auth.register({ email, password, name });
    else await client.auth.login({ email, password });
  }

  return (
    <div className="flex min-h-full flex-col">
      <header className="flex items-center justify-between px-5 py-4 sm:px-8">
        <Link to={{ page: 'home' }} className="rounded-control" aria-label="confer, to the start">
          <Logo />
        </Link>
        <ThemeToggle />
      </header>
      <main className="flex flex-1 items-start justify-center px-5 pt-[6vh] pb-12">
        <div className="w-full max-w-md rounded-sheet border border-line bg-surface p-6 shadow-2 sm:p-8">
          <h1 className="mb-6 text-2xl font-semibold tracking-tight">
            {registering ? 'Create your account' : 'Welcome back'}
          </h1>
          <AuthForm key={mode} mode={mode} onSubmit={submit} />
          <p className="mt-6 text-center text-sm text-ink-2">
            {registering ? 'You have an account? ' : 'New here? '}
            <Link
              to={{ page: registering ? 'login' : 'register' }}
              className="font-semibold text-accent-text underline-offset-2 hover:underline"
            >
              {registering ? 'Log in' : 'Create an account'}
            </Link>
          </p>
        </div>
      </main>
    </div>
  );
}

import { Lock, MessageSquare, Video } from 'lucide-react';
import { buttonClass } from '../components/Button';
import { Link } from '../components/Link';
import { Logo } from '../components/Logo';
import { ThemeToggle } from '../components/ThemeToggle';
import { LandingArt } from './LandingArt';

const POINTS = [
  {
    icon: Video,
    title: 'Calls that keep going',
    text: 'Sound, picture and screens, routed by the server you run. A lost connection mends itself.',
  },
  {
    icon: MessageSquare,
    title: 'Chat that stays',
    text: 'Every room has its conversation. What was said in the call is there after it.',
  },
  {
    icon: Lock,
    title: 'Your own',
    text: 'One program on your own machine. Nothing is sent to anybody else.',
  },
] as const;

export function Landing() {
  return (
    <div className="flex min-h-full flex-col">
      <header className="mx-auto flex w-full max-w-6xl items-center justify-between px-5 py-4 sm:px-8">
        <Logo />
        <div className="flex items-center gap-1">
          <ThemeToggle />
          <Link to={{ page: 'login' }} className={buttonClass('ghost')} data-testid="to-login">
            Log in
          </Link>
        </div>
      </header>
      <main className="mx-auto flex w-full max-w-6xl flex-1 flex-col justify-center gap-14 px-5 py-8 sm:px-8">
        <section className="grid items-center gap-10 lg:grid-cols-[1fr_1.05fr]">
          <div>
            <h1 className="text-[clamp(2.25rem,5.2vw,3.75rem)] leading-[1.05] font-semibold tracking-[-0.03em] text-balance">
              Talk face to face, on your own server.
            </h1>
            <p className="mt-5 max-w-prose text-lg text-pretty text-ink-2">
              confer is calls and chat in one place. Make a room, send its link, and whoever opens
              it is there: no download, no plug-in.
            </p>
            <div className="mt-8 flex flex-wrap gap-3">
              <Link
                to={{ page: 'register' }}
                className={buttonClass('primary', 'lg')}
                data-testid="to-register"
              >
                Create an account
              </Link>
              <Link to={{ page: 'login' }} className={buttonClass('secondary', 'lg')}>
                Log in
              </Link>
            </div>
            <p className="mt-5 text-sm text-ink-3">
              Were you sent a link? Open it to join as a guest.
            </p>
          </div>
          <LandingArt />
        </section>
        <ul className="grid gap-8 border-t border-line pt-10 sm:grid-cols-3">
          {POINTS.map(({ icon: Icon, title, text }) => (
            <li key={title} className="flex flex-col gap-2">
              <Icon aria-hidden="true" className="size-5.5 text-accent-text" />
              <h2 className="font-semibold tracking-tight">{title}</h2>
              <p className="text-ink-2">{text}</p>
            </li>
          ))}
        </ul>
      </main>
      <footer className="mx-auto w-full max-w-6xl px-5 py-6 text-sm text-ink-3 sm:px-8">
        Open source, self-hosted.
      </footer>
    </div>
  );
}

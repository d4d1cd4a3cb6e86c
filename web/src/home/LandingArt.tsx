import { Mic, MicOff, PhoneOff, Video } from 'lucide-react';
import { cx } from '../lib/cx';

const FACES = [
  { colour: 0, letters: 'AN', muted: false, speaking: true },
  { colour: 4, letters: 'MK', muted: true, speaking: false },
  { colour: 2, letters: 'JO', muted: true, speaking: false },
  { colour: 1, letters: 'RS', muted: false, speaking: false },
] as const;

/** A call and its chat in small, drawn from the same colours as the real ones. */
export function LandingArt() {
  return (
    <div aria-hidden="true" className="relative mx-auto w-full max-w-xl pb-19 select-none">
      <div className="rounded-sheet border border-line bg-surface p-3 shadow-3">
        <div className="grid grid-cols-2 gap-2">
          {FACES.map((face) => (
            <div
              key={face.letters}
              className={cx(
                `avatar-${face.colour}`,
                'relative flex aspect-[4/3] items-center justify-center rounded-card bg-[color-mix(in_oklab,var(--avatar)_18%,light-dark(#e3e7e4,#1a201f))]',
                face.speaking && 'shadow-[inset_0_0_0_3px_var(--speaking)]',
              )}
            >
              <span className="flex size-14 items-center justify-center rounded-full bg-(--avatar) text-lg font-semibold text-white sm:size-18 sm:text-2xl">
                {face.letters}
              </span>
              <span className="absolute bottom-2 left-2 flex size-6 items-center justify-center rounded-md bg-shade text-white">
                {face.muted ? <MicOff className="size-3.5" /> : <Mic className="size-3.5" />}
              </span>
            </div>
          ))}
        </div>
        <div className="mt-3 flex justify-center gap-2 text-ink-2">
          <span className="flex size-10 items-center justify-center rounded-xl border border-line">
            <Mic className="size-5" />
          </span>
          <span className="flex size-10 items-center justify-center rounded-xl border border-line">
            <Video className="size-5" />
          </span>
          <span className="flex h-10 items-center justify-center rounded-xl bg-danger px-4 text-danger-ink">
            <PhoneOff className="size-5" />
          </span>
        </div>
      </div>
      <div className="absolute right-0 bottom-0 w-64 rounded-card border border-line bg-raised p-3 text-sm shadow-3 sm:-right-5">
        <p className="w-fit rounded-2xl rounded-bl-md border border-line bg-surface px-3 py-1.5">
          The plan looks good to me.
        </p>
        <p className="mt-1.5 ml-auto w-fit rounded-2xl rounded-br-md bg-accent-soft px-3 py-1.5">
          Then let us do it <span className="ml-1 text-xs text-accent-text">✓✓</span>
        </p>
      </div>
    </div>
  );
}

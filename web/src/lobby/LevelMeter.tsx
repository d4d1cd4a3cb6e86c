import { cx } from '../lib/cx';

const SEGMENTS = 14;

/** How loud the microphone is, from 0 to 1. */
export function LevelMeter({ level, active }: { level: number; active: boolean }) {
  const lit = active ? Math.round(Math.min(1, Math.max(0, level)) * SEGMENTS) : 0;

  return (
    // biome-ignore lint/a11y/useSemanticElements: browsers draw <meter> in colours of their own
    <div
      role="meter"
      aria-label="Microphone level"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round((lit / SEGMENTS) * 100)}
      data-testid="level-meter"
      className="flex h-2 flex-1 items-center gap-1"
    >
      {Array.from({ length: SEGMENTS }, (_, index) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: segments never move
          key={index}
          className={cx(
            'h-full flex-1 rounded-full transition-colors duration-75',
            index < lit ? 'bg-speaking' : 'bg-line',
          )}
        />
      ))}
    </div>
  );
}

import { Maximize2, MicOff, Minimize2, MonitorUp, WifiOff } from 'lucide-react';
import type { CSSProperties } from 'react';
import { Video } from '../components/Video';
import { cx } from '../lib/cx';
import { colourOf, initials } from '../lib/person';
import type { TileView } from './view';

interface TileProps {
  tile: TileView;
  style?: CSSProperties;
  /** Whether it has the stage now. */
  staged?: boolean;
  /** Gives it the stage, or takes it back. */
  onStage?: (() => void) | undefined;
  className?: string;
}

export function Tile({ tile, style, staged = false, onStage, className }: TileProps) {
  const screen = tile.source === 'screen';
  const label = tileLabel(tile);

  return (
    <figure
      data-testid="tile"
      data-participant={tile.participant}
      data-self={tile.self || undefined}
      data-source={tile.source}
      data-speaking={tile.speaking || undefined}
      data-away={tile.away || undefined}
      aria-label={label}
      style={style}
      className={cx(
        `avatar-${colourOf(tile.userId)}`,
        'group/tile @container-size relative m-0 shrink-0 overflow-hidden rounded-tile transition-shadow duration-150',
        screen
          ? 'bg-sunken'
          : 'bg-[color-mix(in_oklab,var(--avatar)_16%,light-dark(#e3e7e4,#1a201f))]',
        tile.speaking && !screen
          ? 'shadow-[inset_0_0_0_3px_var(--speaking)]'
          : 'shadow-[inset_0_0_0_1px_var(--line)]',
        className,
      )}
    >
      {tile.video === undefined ? (
        <Placeholder tile={tile} />
      ) : (
        <Video
          track={tile.video}
          label={label}
          mirrored={tile.self && !screen}
          whole={screen}
          className={cx('transition-opacity duration-300', tile.away && 'opacity-40 grayscale')}
        />
      )}
      {tile.speaking && !screen ? (
        <span
          aria-hidden="true"
          className="pointer-events-none absolute inset-0 rounded-tile shadow-[inset_0_0_0_3px_var(--speaking)]"
        />
      ) : null}
      {tile.away ? <Away /> : null}
      <figcaption className="absolute bottom-2 left-2 flex h-7 max-w-[calc(100%-1rem)] items-center gap-1.5 rounded-lg bg-shade px-2.5 text-[0.8125rem] font-medium text-white">
        {tile.micMuted && !screen ? (
          <MicOff role="img" aria-label="Microphone off" className="size-3.5 shrink-0" />
        ) : null}
        {screen ? <MonitorUp aria-hidden="true" className="size-3.5 shrink-0" /> : null}
        <span className="truncate">{caption(tile)}</span>
      </figcaption>
      {onStage === undefined ? null : (
        <button
          type="button"
          aria-label={staged ? 'Back to the grid' : `Show ${tile.name} large`}
          title={staged ? 'Back to the grid' : 'Show large'}
          onClick={onStage}
          className="press absolute top-2 right-2 inline-flex size-9 items-center justify-center rounded-lg bg-shade text-white opacity-0 group-hover/tile:opacity-100 focus-visible:opacity-100 pointer-coarse:size-7 pointer-coarse:opacity-60"
        >
          {staged ? (
            <Minimize2 aria-hidden="true" className="size-4" />
          ) : (
            <Maximize2 aria-hidden="true" className="size-4" />
          )}
        </button>
      )}
    </figure>
  );
}

function Placeholder({ tile }: { tile: TileView }) {
  return (
    <div className="flex size-full items-center justify-center pb-[max(0px,3.25rem-20cqh)]">
      <span
        aria-hidden="true"
        className={cx(
          'inline-flex size-[clamp(2rem,34cqmin,9rem)] items-center justify-center rounded-full bg-(--avatar) text-[clamp(0.75rem,13cqmin,3.25rem)] font-semibold tracking-wide text-white select-none',
          tile.hasVideo && 'animate-pulse',
        )}
      >
        {initials(tile.name)}
      </span>
    </div>
  );
}

function Away() {
  return (
    <div
      role="status"
      className="fade absolute top-2 left-2 flex w-fit items-center gap-2 rounded-full bg-shade px-3 py-1.5 text-xs font-medium text-white"
    >
      <WifiOff aria-hidden="true" className="size-3.5" />
      Reconnecting…
    </div>
  );
}

function caption(tile: TileView): string {
  if (tile.source === 'screen') return tile.self ? 'Your screen' : `${tile.name}’s screen`;
  return tile.self ? `${tile.name} (you)` : tile.name;
}

function tileLabel(tile: TileView): string {
  const states = [
    tile.source === 'camera' && tile.micMuted ? 'microphone off' : '',
    tile.source === 'camera' && !tile.hasVideo ? 'camera off' : '',
    tile.away ? 'reconnecting' : '',
  ].filter(Boolean);
  return [caption(tile), ...states].join(', ');
}

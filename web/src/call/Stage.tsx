import { useEffect, useState } from 'react';
import { Tile } from './Tile';
import { TileGrid } from './TileGrid';
import type { TileView } from './view';

interface StageProps {
  tiles: readonly TileView[];
  recent: readonly string[];
  onShown?: ((tiles: readonly string[] | undefined) => void) | undefined;
}

/** The pictures of a call: a grid, or one in front and the others in a strip. */
export function Stage({ tiles, recent, onShown }: StageProps) {
  const [pinned, setPinned] = useState<string>();
  const [unstaged, setUnstaged] = useState<string>();

  // The newest screen takes the stage by itself, unless it was sent back to the grid.
  const newestScreen = tiles.findLast((tile) => tile.source === 'screen' && !tile.self);
  const automatic = newestScreen?.id === unstaged ? undefined : newestScreen;
  const front = tiles.find((tile) => tile.id === pinned) ?? automatic;

  // The strip holds everybody; it scrolls.
  const staged = front !== undefined && tiles.length > 1;
  useEffect(() => {
    if (staged) onShown?.(undefined);
  }, [staged, onShown]);

  useEffect(() => {
    if (unstaged !== undefined && newestScreen?.id !== unstaged) setUnstaged(undefined);
  }, [unstaged, newestScreen?.id]);

  if (front === undefined || tiles.length < 2) {
    return <TileGrid tiles={tiles} recent={recent} onStage={setPinned} onShown={onShown} />;
  }

  function backToGrid() {
    setPinned(undefined);
    setUnstaged(newestScreen?.id);
  }

  const others = tiles.filter((tile) => tile.id !== front.id);
  return (
    <div
      data-testid="stage"
      className="flex min-h-0 min-w-0 flex-1 flex-col gap-2.5 lg:flex-row landscape:max-lg:flex-row"
    >
      <Tile tile={front} staged onStage={backToGrid} className="min-h-0 min-w-0 flex-1 shrink" />
      <ul
        aria-label="Others"
        className="flex shrink-0 snap-x gap-2.5 overflow-auto lg:w-56 lg:flex-col landscape:max-lg:w-36 landscape:max-lg:flex-col"
      >
        {others.map((tile) => (
          <li key={tile.id} className="contents">
            <Tile
              tile={tile}
              onStage={() => setPinned(tile.id)}
              className="aspect-video w-36 snap-start lg:w-full landscape:max-lg:w-full"
            />
          </li>
        ))}
      </ul>
    </div>
  );
}

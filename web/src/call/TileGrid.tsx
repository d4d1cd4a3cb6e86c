import { useEffect } from 'react';
import { useElementSize } from '../hooks/useElementSize';
import { chooseVisible, gridFor, TILE_GAP, tileCapacity } from '../lib/grid';
import { Tile } from './Tile';
import type { TileView } from './view';

interface TileGridProps {
  tiles: readonly TileView[];
  /** Tile ids of who spoke last, latest first: they are never among those left out. */
  recent: readonly string[];
  onStage: (tile: string) => void;
  /** Tells which tiles have a place, by their ids; nothing when all do. */
  onShown?: ((tiles: readonly string[] | undefined) => void) | undefined;
}

/** Everybody at the same size, as large as the space allows. */
export function TileGrid({ tiles, recent, onStage, onShown }: TileGridProps) {
  const [area, size] = useElementSize<HTMLDivElement>();
  const capacity = tileCapacity(size);
  const overflow = tiles.length > capacity;
  // The last place says how many more there are.
  const shown = overflow ? chooseVisible(tiles, Math.max(1, capacity - 1), recent) : tiles;
  const count = overflow ? shown.length + 1 : shown.length;
  const { columns, tile: tileSize } = gridFor(count, size);
  const shownIds = overflow ? shown.map(({ id }) => id).join(' ') : undefined;
  useEffect(() => onShown?.(shownIds?.split(' ')), [onShown, shownIds]);

  const style = { width: tileSize.width, height: tileSize.height };

  return (
    <div
      ref={area}
      data-testid="tile-grid"
      data-columns={columns}
      className="relative min-h-0 min-w-0 flex-1"
    >
      <div
        className="absolute inset-0 flex flex-wrap content-center justify-center"
        style={{ gap: TILE_GAP }}
      >
        {size.width === 0
          ? null
          : shown.map((tile) => (
              <Tile
                key={tile.id}
                tile={tile}
                style={style}
                onStage={tiles.length > 1 ? () => onStage(tile.id) : undefined}
              />
            ))}
        {overflow ? (
          <div
            style={style}
            className="flex flex-col items-center justify-center rounded-tile border border-line bg-surface text-ink-2"
          >
            <span className="text-2xl font-semibold">+{tiles.length - shown.length}</span>
            <span className="text-sm">more here</span>
          </div>
        ) : null}
      </div>
    </div>
  );
}

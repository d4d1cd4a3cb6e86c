/** The size of something on screen, in CSS pixels. */
export interface Size {
  width: number;
  height: number;
}

export interface Grid {
  columns: number;
  rows: number;
  tile: Size;
}

/** Between tiles, in CSS pixels. */
export const TILE_GAP = 10;

/** Cameras are mostly 16:9; wider tiles would only cut off heads. */
const WIDEST = 16 / 9;
/** A tile may get this narrow before space is left empty instead. */
const NARROWEST = 4 / 5;
/** Phones held upright film upright, too. */
const NARROWEST_UPRIGHT = 3 / 5;
/** On a wide screen, narrower tiles than this cut off too much of wide pictures. */
const COMFORTABLE = 6 / 5;
/** Below this width a face and a name cannot be read. */
const SMALLEST_TILE_WIDTH = 150;
const MOST_TILES = 25;

/** The grid that shows `count` tiles as large as the space allows. */
export function gridFor(count: number, space: Size, gap = TILE_GAP): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), tile: { width: 0, height: 0 } };
  let bestWorth = -1;
  const upright = space.height > space.width;

  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(Math.max(1, count) / columns);
    const cell = {
      width: (space.width - gap * (columns - 1)) / columns,
      height: (space.height - gap * (rows - 1)) / rows,
    };
    if (cell.width <= 0 || cell.height <= 0) continue;

    const tile = shapeTile(cell, upright ? NARROWEST_UPRIGHT : NARROWEST);
    const seen = upright ? 1 : Math.min(1, tile.width / tile.height / COMFORTABLE);
    const worth = tile.width * tile.height * seen;
    // A little better is not worth an emptier last row.
    if (worth > bestWorth * 1.02) {
      best = { columns, rows, tile };
      bestWorth = worth;
    }
  }

  return best;
}

/** How many tiles stay readable in a space; the rest is summed up in one last tile. */
export function tileCapacity(space: Size, gap = TILE_GAP): number {
  for (let count = MOST_TILES; count > 1; count -= 1) {
    const { tile } = gridFor(count, space, gap);
    if (tile.width >= Math.min(SMALLEST_TILE_WIDTH, space.width)) return count;
  }
  return 1;
}

/**
 * Which of `all` get a tile, in their own order. Whoever is in `first` (speakers, for instance)
 * is shown even when the order alone would leave them out.
 */
export function chooseVisible<T extends { id: string }>(
  all: readonly T[],
  capacity: number,
  first: readonly string[],
): T[] {
  if (all.length <= capacity) return [...all];

  const wanted = new Set(first.slice(0, capacity));
  let free = capacity - all.filter((one) => wanted.has(one.id)).length;
  return all.filter((one) => {
    if (wanted.has(one.id)) return true;
    free -= 1;
    return free >= 0;
  });
}

function shapeTile(cell: Size, narrowest: number): Size {
  const aspect = Math.min(WIDEST, Math.max(narrowest, cell.width / cell.height));
  return cell.width / cell.height > aspect
    ? { width: cell.height * aspect, height: cell.height }
    : { width: cell.width, height: cell.width / aspect };
}

import { describe, expect, it } from 'vitest';
import { chooseVisible, gridFor, tileCapacity } from './grid';

const desktop = { width: 1420, height: 760 };
const phone = { width: 370, height: 660 };

describe('the tile grid', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 2],
    [5, 3],
    [9, 3],
    [10, 4],
    [16, 4],
  ])('shows %i people in %i columns on a desktop', (count, columns) => {
    expect(gridFor(count, desktop).columns).toBe(columns);
  });

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [6, 2],
  ])('shows %i people in %i columns on a phone', (count, columns) => {
    expect(gridFor(count, phone).columns).toBe(columns);
  });

  it('never lets the tiles be larger than the space', () => {
    for (const space of [desktop, phone, { width: 2540, height: 1300 }]) {
      for (let count = 1; count <= 25; count += 1) {
        const { columns, rows, tile } = gridFor(count, space, 10);
        expect(columns * rows).toBeGreaterThanOrEqual(count);
        expect(tile.width * columns + 10 * (columns - 1)).toBeLessThanOrEqual(space.width + 0.01);
        expect(tile.height * rows + 10 * (rows - 1)).toBeLessThanOrEqual(space.height + 0.01);
      }
    }
  });

  it('keeps tiles between upright and wide', () => {
    for (let count = 1; count <= 25; count += 1) {
      const { tile } = gridFor(count, phone);
      expect(tile.width / tile.height).toBeGreaterThan(0.59);
      expect(tile.width / tile.height).toBeLessThan(1.78);
    }
  });

  it('has room for fewer on a phone than on a desktop', () => {
    expect(tileCapacity(desktop)).toBe(25);
    expect(tileCapacity(phone)).toBeGreaterThanOrEqual(6);
    expect(tileCapacity(phone)).toBeLessThan(25);
    expect(tileCapacity({ width: 0, height: 0 })).toBeGreaterThanOrEqual(1);
  });
});

describe('who gets a tile when there are too many', () => {
  const all = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }));
  const ids = (chosen: { id: string }[]) => chosen.map(({ id }) => id).join('');

  it('takes the first ones in order', () => {
    expect(ids(chooseVisible(all, 3, []))).toBe('abc');
  });

  it('shows a speaker who would be left out, and keeps the order', () => {
    expect(ids(chooseVisible(all, 3, ['e']))).toBe('abe');
  });

  it('shows everybody when there is room', () => {
    expect(ids(chooseVisible(all, 5, ['e']))).toBe('abcde');
  });

  it('passes over speakers who are gone', () => {
    expect(ids(chooseVisible(all, 2, ['gone']))).toBe('ab');
  });
});

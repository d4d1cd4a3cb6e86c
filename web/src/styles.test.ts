import { describe, expect, it } from 'vitest';
import css from './styles.css?raw';

/** WCAG 2.2, success criterion 1.4.3. */
const TEXT = 4.5;
/** Success criterion 1.4.11: borders of fields, rings, meters. */
const SHAPE = 3;

function token(name: string, theme: 'light' | 'dark'): string {
  const match = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`, 'u').exec(
    css,
  );
  const colour = match?.[theme === 'light' ? 1 : 2];
  if (colour === undefined) throw new Error(`no colour --${name}`);
  return colour;
}

/** WCAG 2.2, definition of relative luminance. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [lighter, darker] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

const GROUNDS = ['canvas', 'surface', 'raised'] as const;

describe.each(['light', 'dark'] as const)('the %s colours', (theme) => {
  it.each(
    ['ink', 'ink-2', 'ink-3', 'accent-text', 'danger-text'].flatMap((text) =>
      GROUNDS.map((ground) => [text, ground] as const),
    ),
  )('make %s readable on %s', (text, ground) => {
    expect(contrast(token(text, theme), token(ground, theme))).toBeGreaterThanOrEqual(TEXT);
  });

  it.each([
    ['accent-ink', 'accent'],
    ['accent-ink', 'accent-hover'],
    ['danger-ink', 'danger'],
    ['danger-ink', 'danger-hover'],
    ['accent-text', 'accent-soft'],
    ['ink', 'accent-soft'],
    ['ink-3', 'accent-soft'],
    ['danger-text', 'danger-soft'],
    ['ink-2', 'danger-soft'],
    ['warn-text', 'warn-soft'],
    ['ink-2', 'warn-soft'],
    ['ink-2', 'sunken'],
    ['ink-3', 'sunken'],
  ])('make %s readable on %s', (text, ground) => {
    expect(contrast(token(text, theme), token(ground, theme))).toBeGreaterThanOrEqual(TEXT);
  });

  it.each([
    ['line-strong', 'surface'],
    ['accent', 'canvas'],
    ['accent', 'surface'],
    ['speaking', 'canvas'],
  ])('make the shape of %s visible on %s', (shape, ground) => {
    expect(contrast(token(shape, theme), token(ground, theme))).toBeGreaterThanOrEqual(SHAPE);
  });
});

it('makes white letters readable on every avatar', () => {
  const colours = [...css.matchAll(/--avatar: (#[0-9a-f]{6});/gu)].map(([, colour]) => colour);
  expect(colours).toHaveLength(8);
  for (const colour of colours) {
    expect(contrast('#ffffff', colour ?? '')).toBeGreaterThanOrEqual(TEXT);
  }
});

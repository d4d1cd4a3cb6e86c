import { describe, expect, it } from 'vitest';
import { AVATAR_COLOURS, colourOf, initials, listNames } from './person';
import { hrefOf, parseRoute } from './router';
import { dayLabel, duration, listTime } from './time';

describe('names', () => {
  it('become initials', () => {
    expect(initials('Alice Nguyen')).toBe('AN');
    expect(initials('bob')).toBe('B');
    expect(initials('  Carol  Maria von Linden ')).toBe('CL');
    expect(initials('😀 Smile')).toBe('😀S');
    expect(initials('   ')).toBe('?');
  });

  it('are listed without ever growing long', () => {
    expect(listNames([])).toBe('');
    expect(listNames(['Alice'])).toBe('Alice');
    expect(listNames(['Alice', 'Bob'])).toBe('Alice and Bob');
    expect(listNames(['Alice', 'Bob', 'Carol'])).toBe('Alice, Bob and 1 other');
    expect(listNames(['Alice', 'Bob', 'Carol', 'Dan'])).toBe('Alice, Bob and 2 others');
  });

  it('keep their colour', () => {
    expect(colourOf('some-id')).toBe(colourOf('some-id'));
    expect(colourOf('other')).toBeLessThan(AVATAR_COLOURS);
  });
});

describe('addresses', () => {
  it.each(['/', '/login', '/register', '/i/ab_c-1', '/rooms/r', '/rooms/r/call', '/c/d'])(
    'read what was written: %s',
    (path) => {
      const route = parseRoute(path);
      if (route.page === 'not-found') throw new Error('every one of these is a page');
      expect(hrefOf(route)).toBe(path);
    },
  );

  it.each(['/nothing', '/rooms', '/rooms/r/other', '/i', '/login/x'])(
    'lead nowhere when nobody wrote them: %s',
    (path) => {
      expect(parseRoute(path)).toEqual({ page: 'not-found' });
    },
  );

  it('survive a broken percent sign', () => {
    expect(parseRoute('/i/100%')).toEqual({ page: 'invite', code: '100%' });
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 21, 12, 0);

  it('name the day a reader would', () => {
    expect(dayLabel(new Date(2026, 10, 21, 0, 1), now)).toBe('Today');
    expect(dayLabel(new Date(2026, 10, 20, 23, 59), now)).toBe('Yesterday');
    expect(dayLabel(new Date(2026, 10, 18), now, 'en-GB')).toBe('Wednesday');
    expect(dayLabel(new Date(2026, 2, 3), now, 'en-GB')).toBe('3 March');
    expect(dayLabel(new Date(2024, 2, 3), now, 'en-GB')).toBe('3 March 2024');
  });

  it('are short in lists', () => {
    expect(listTime(new Date(2026, 10, 21, 9, 5), now, 'en-GB')).toBe('09:05');
    expect(listTime(new Date(2026, 10, 20), now)).toBe('Yesterday');
    expect(listTime(new Date(2026, 10, 17), now, 'en-GB')).toBe('Tue');
    expect(listTime(new Date(2026, 4, 9), now, 'en-GB')).toBe('9 May');
  });

  it('count a call in minutes, then hours', () => {
    expect(duration(0)).toBe('0:00');
    expect(duration(67_900)).toBe('1:07');
    expect(duration(3_753_000)).toBe('1:02:33');
    expect(duration(-5)).toBe('0:00');
  });
});

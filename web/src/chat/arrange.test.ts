import { describe, expect, it } from 'vitest';
import { arrange } from './arrange';
import { linkify } from './linkify';
import type { ListItem, MessageView } from './view';

const NOON = new Date(2026, 10, 21, 12, 0).getTime();

function message(seq: number, sender: string, minutes: number): MessageView {
  return {
    key: `m${seq}`,
    seq,
    sender: { id: sender, name: sender },
    own: sender === 'me',
    body: `message ${seq}`,
    at: new Date(NOON + minutes * 60_000),
  };
}

/** "day [alice 1 2] [me 3]", which is what somebody sees. */
function sketch(items: ReturnType<typeof arrange>): string {
  return items.map(sketchItem).join(' ');
}

function sketchItem(item: ListItem): string {
  switch (item.kind) {
    case 'day':
      return 'day';
    case 'unread':
      return `${item.count}new`;
    case 'group':
      return `[${item.messages[0].sender.id} ${item.messages.map(({ seq }) => seq).join(' ')}]`;
  }
}

describe('the message list', () => {
  it('groups what one person said in one go', () => {
    const list = [message(1, 'alice', 0), message(2, 'alice', 1), message(3, 'me', 2)];
    expect(sketch(arrange(list))).toBe('day [alice 1 2] [me 3]');
  });

  it('begins a new group after a pause', () => {
    expect(sketch(arrange([message(1, 'alice', 0), message(2, 'alice', 9)]))).toBe(
      'day [alice 1] [alice 2]',
    );
  });

  it('begins every day with a line', () => {
    const list = [message(1, 'alice', 0), message(2, 'alice', 24 * 60)];
    expect(sketch(arrange(list))).toBe('day [alice 1] day [alice 2]');
  });

  it('marks what was unread, and not what came later or is one’s own', () => {
    const list = [
      message(1, 'alice', 0),
      message(2, 'me', 1),
      message(3, 'alice', 2),
      message(4, 'bob', 2),
      message(5, 'alice', 3),
    ];
    expect(sketch(arrange(list, { after: 1, upTo: 4 }))).toBe(
      'day [alice 1] [me 2] 2new [alice 3] [bob 4] [alice 5]',
    );
  });

  it('shows no mark when everything was read', () => {
    expect(sketch(arrange([message(1, 'alice', 0)], { after: 1, upTo: 1 }))).toBe('day [alice 1]');
  });
});

describe('addresses in messages', () => {
  const links = (text: string) =>
    linkify(text).flatMap((piece) => (piece.kind === 'link' ? [piece.href] : []));

  it('leave out the punctuation around them', () => {
    expect(links('See https://a.example/b.')).toEqual(['https://a.example/b']);
    expect(links('(https://a.example/b)')).toEqual(['https://a.example/b']);
    expect(links('https://a.example/b_(c)')).toEqual(['https://a.example/b_(c)']);
  });

  it('are never anything but http', () => {
    expect(links('javascript:alert(1) data:text/html,x file:///etc/passwd')).toEqual([]);
  });

  it('lose no character of the text', () => {
    const text = 'one https://a.example two http://b.example/?x=1&y=2, three';
    expect(
      linkify(text)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text);
  });
});

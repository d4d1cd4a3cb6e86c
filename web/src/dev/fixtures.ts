import type { PersonView, TileView } from '../call/view';
import type { MessageView } from '../chat/view';
import type { PlaceView } from '../home/view';

const NAMES = [
  'Alice Nguyen',
  'Bob',
  'Carol Maria Fernandez-Oliveira von der Lindenallee',
  'Dan Okafor',
  'Eve',
  'Frank Li',
  'Grace Kim',
  'Heidi',
  'Ivan Petrov',
  'Judy Park',
  'Karl',
  'Liam',
  'Mia',
] as const;

/** A moving picture, as a camera or a screen would give it. */
export function picture(hue: number, kind: 'camera' | 'screen' = 'camera'): MediaStreamTrack {
  const canvas = document.createElement('canvas');
  canvas.width = kind === 'screen' ? 1600 : 1280;
  canvas.height = kind === 'screen' ? 900 : 720;
  const paint = canvas.getContext('2d');
  if (paint !== null) {
    if (kind === 'screen') drawScreen(paint);
    else drawFace(paint, hue);
    setInterval(() => paint.fillRect(0, 0, 1, 1), 200);
  }
  const [track] = canvas.captureStream(5).getVideoTracks();
  if (track === undefined) throw new Error('a canvas always has a picture');
  return track;
}

function drawFace(paint: CanvasRenderingContext2D, hue: number): void {
  const wall = paint.createLinearGradient(0, 0, 1280, 720);
  wall.addColorStop(0, `hsl(${hue} 28% 62%)`);
  wall.addColorStop(1, `hsl(${hue + 40} 26% 34%)`);
  paint.fillStyle = wall;
  paint.fillRect(0, 0, 1280, 720);
  paint.fillStyle = `hsl(${hue + 180} 25% 30%)`;
  paint.beginPath();
  paint.ellipse(640, 780, 330, 290, 0, 0, Math.PI * 2);
  paint.fill();
  paint.fillStyle = `hsl(${25 + (hue % 20)} 42% ${48 + (hue % 30)}%)`;
  paint.beginPath();
  paint.ellipse(640, 330, 140, 178, 0, 0, Math.PI * 2);
  paint.fill();
}

function drawScreen(paint: CanvasRenderingContext2D): void {
  paint.fillStyle = '#f4f5f7';
  paint.fillRect(0, 0, 1600, 900);
  paint.fillStyle = '#ffffff';
  paint.fillRect(220, 60, 1160, 800);
  paint.fillStyle = '#22313a';
  paint.fillRect(300, 130, 520, 40);
  paint.fillStyle = '#c5ced3';
  for (let line = 0; line < 14; line += 1) {
    paint.fillRect(300, 220 + line * 44, 700 + ((line * 97) % 300), 14);
  }
}

export function tiles(count: number, videos: number): TileView[] {
  return NAMES.slice(0, count).map((name, index) => ({
    id: `p${index}`,
    participant: `p${index}`,
    userId: `user-${name}`,
    name,
    self: index === 0,
    source: 'camera',
    video: index < videos ? picture(index * 47 + 150) : undefined,
    hasVideo: index < videos,
    micMuted: index % 3 === 2,
    speaking: index === 1,
    away: index === 3,
  }));
}

export function withScreen(count: number): TileView[] {
  const all = tiles(count, count - 1);
  const sharer = all[1];
  if (sharer === undefined) return all;
  return [
    ...all,
    { ...sharer, id: 'p1:screen', source: 'screen', video: picture(0, 'screen'), hasVideo: true },
  ];
}

export function people(count: number): PersonView[] {
  return tiles(count, 0).map((tile, index) => ({
    participant: tile.participant,
    userId: tile.userId,
    name: tile.name,
    guest: index === 2,
    self: tile.self,
    micMuted: tile.micMuted,
    cameraOff: index % 2 === 1,
    sharing: index === 1,
    speaking: tile.speaking,
    away: tile.away,
  }));
}

const NOW = Date.now();
const MINUTE = 60_000;

interface Line {
  who: number;
  body: string;
  ago: number;
  status?: MessageView['status'];
  reply?: number;
}

const LINES: readonly Line[] = [
  { who: 1, body: 'The draft is in the shared folder now.', ago: 1530 },
  { who: 1, body: 'Please look at section two before tomorrow, the numbers changed.', ago: 1529 },
  { who: 0, body: 'Thanks! I will.', ago: 1500, status: 'read' },
  {
    who: 2,
    body: 'I went through it. Three things:\n\n1. The table on page 4 needs units\n2. The summary is too long\n3. https://example.org/notes has the figures from last year',
    ago: 58,
  },
  { who: 0, body: 'Good points.', ago: 50, status: 'read', reply: 4 },
  {
    who: 0,
    body: 'I can do the first two today. Somebody else should look at the third, because I do not have access to last year’s figures and would only be guessing.',
    ago: 49,
    status: 'read',
  },
  { who: 1, body: 'I take the third', ago: 44 },
  { who: 3, body: 'Are we calling at two?', ago: 12 },
  { who: 1, body: 'Yes, here in the room.', ago: 10 },
  { who: 0, body: 'See you there', ago: 4, status: 'delivered' },
  {
    who: 0,
    body: 'I will share my screen so that we can go through the table together',
    ago: 3,
    status: 'sent',
  },
  { who: 0, body: 'One more thing', ago: 1, status: 'sending' },
];

export function messages(failed = false): MessageView[] {
  const lines = failed
    ? [...LINES, { who: 0, body: 'Did that arrive?', ago: 0, status: 'failed' as const }]
    : LINES;
  return lines.map((line, index) => {
    const name = NAMES[line.who] ?? '';
    const original = line.reply === undefined ? undefined : LINES[line.reply - 1];
    const pending = line.status === 'sending' || line.status === 'failed';
    return {
      key: `m${index}`,
      ...(pending ? {} : { seq: index + 1 }),
      sender: { id: `user-${name}`, name },
      own: line.who === 0,
      body: line.body,
      at: new Date(NOW - line.ago * MINUTE),
      ...(line.status === undefined ? {} : { status: line.status }),
      ...(original === undefined || line.reply === undefined
        ? {}
        : { replyTo: { seq: line.reply, name: NAMES[original.who] ?? '', body: original.body } }),
    };
  });
}

export const PLACES: PlaceView[] = [
  {
    kind: 'room',
    id: 'r1',
    colourId: 'r1',
    title: 'Weekly plan',
    preview: 'Bob: Yes, here in the room.',
    lastAt: new Date(NOW - 4 * MINUTE),
    unread: 3,
    inCall: 4,
  },
  {
    kind: 'room',
    id: 'r2',
    colourId: 'r2b',
    title: 'Design review for the new onboarding and account pages',
    preview: 'You: Thanks!',
    lastAt: new Date(NOW - 190 * MINUTE),
    unread: 0,
    inCall: 0,
  },
  {
    kind: 'room',
    id: 'r3',
    colourId: 'r3',
    title: 'Lunch',
    preview: 'Eve: Who is in on Thursday?',
    lastAt: new Date(NOW - 1700 * MINUTE),
    unread: 128,
    inCall: 0,
  },
  { kind: 'room', id: 'r4', colourId: 'r7', title: 'Support', unread: 0, inCall: 0 },
  {
    kind: 'direct',
    id: 'd1',
    colourId: 'user-Bob',
    title: 'Bob',
    preview: 'I take the third',
    lastAt: new Date(NOW - 44 * MINUTE),
    unread: 1,
    inCall: 0,
  },
  {
    kind: 'direct',
    id: 'd2',
    colourId: 'user-Grace Kim',
    title: 'Grace Kim',
    preview: 'You: On my way',
    lastAt: new Date(NOW - 6000 * MINUTE),
    unread: 0,
    inCall: 0,
  },
];

export type Piece = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string };

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/giu;
/** What ends a sentence rather than an address. */
const TRAILING = /[.,;:!?'"”’]+$/u;

/** Finds web addresses in what somebody wrote. Nothing else is ever made clickable. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;

  for (const match of text.matchAll(ADDRESS)) {
    const address = trimAddress(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > end) pieces.push({ kind: 'text', text: text.slice(end, match.index) });
    pieces.push({ kind: 'link', text: address, href: address });
    end = match.index + address.length;
  }

  if (end < text.length) pieces.push({ kind: 'text', text: text.slice(end) });
  return pieces;
}

function trimAddress(raw: string): string {
  const address = raw.replace(TRAILING, '');
  // "(see https://a.example/b)" closes its own bracket, "https://a.example/b_(c)" does not.
  if (address.endsWith(')') && !address.includes('(')) return trimAddress(address.slice(0, -1));
  return address;
}

/** What the end of a socket means for the next one. */

import { ConferError } from './errors.js';
import { CLOSE_CODES, RECONNECT_CLOSE_CODES } from './protocol.gen.js';

/** Why no other socket may be opened after this close code; `null` when one may. */
export function finalReason(code: number): ConferError | null {
  // The standard codes are about the connection, which another may do better; all but the one
  // that says both sides were done.
  const standard = code < 4000 && code !== CLOSE_CODES.Normal;
  if (standard || RECONNECT_CLOSE_CODES.includes(code)) {
    return null;
  }
  switch (code) {
    case CLOSE_CODES.Refused:
      return new ConferError('revoked', 'The server ended this login. Sign in again.');
    case CLOSE_CODES.Replaced:
      return new ConferError('conflict', 'Another page took over this session.');
    case CLOSE_CODES.Unsupported:
      return new ConferError('unavailable', 'This page is older than the server. Reload it.');
    default:
      return new ConferError('malformed', `The server closed the connection (${code}).`);
  }
}

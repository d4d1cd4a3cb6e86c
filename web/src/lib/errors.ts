import { ConferError, type ConferErrorCode } from 'confer-sdk';

/** An error as a person should meet it: what happened, and what to do now. */
export interface Explanation {
  title: string;
  hint: string;
  /** Form fields to what is wrong with them. */
  fields: Record<string, string>;
}

type Text = readonly [title: string, hint: string];

const TEXTS: Record<ConferErrorCode, Text> = {
  malformed: ['Something went wrong', 'Reload the page and try again.'],
  invalid: ['That does not look right', 'Check what you entered and try again.'],
  too_large: ['That is too long', 'Shorten it and try again.'],
  unauthenticated: ['You are not signed in', 'Log in and try again.'],
  token_expired: ['Your session has ended', 'Log in again to go on.'],
  revoked: ['Your access was withdrawn', 'Log in again, or ask for a new invite.'],
  forbidden: ['You may not do this', 'Ask the owner of the room for permission.'],
  not_found: ['This does not exist', 'Check the link, or ask whoever sent it for a new one.'],
  conflict: ['This exists already', 'Choose something else, or use the one that is there.'],
  rate_limited: ['That was a bit fast', 'Wait a moment and try again.'],
  not_joined: ['You are not in the call', 'Join the call and try again.'],
  already_joined: ['You are in a call already', 'Leave the other call first.'],
  room_full: ['The call is full', 'Wait until somebody leaves, then try again.'],
  publish_not_granted: ['You may not share this here', 'Ask the owner of the room for permission.'],
  too_many_tracks: ['Too much is shared already', 'Ask somebody to stop sharing, then try again.'],
  bad_offer: ['The call could not be set up', 'Reload the page and join again.'],
  no_common_codec: [
    'Your browser cannot take part in this call',
    'Update the browser, or join with Chrome, Edge, Safari or Firefox.',
  ],
  stale_offer: ['The call could not be updated', 'Try again.'],
  resume_refused: ['The connection was gone for too long', 'Join the call again.'],
  reset_required: ['This page is out of date', 'Reload it to go on.'],
  unavailable: ['The server is busy', 'Try again in a few seconds.'],
  draining: ['The server is restarting', 'You will be reconnected in a moment.'],
  internal: ['The server made a mistake', 'Try again. If it stays, tell whoever runs the server.'],

  network: ['The server cannot be reached', 'Check your connection and try again.'],
  connection_lost: [
    'The connection was lost',
    'It is not certain that this was done. Look, then try again.',
  ],
  timeout: ['The server did not answer', 'Check your connection and try again.'],
  closed: ['The call has ended meanwhile', 'Join again to go on.'],
  media_unsupported: [
    'Camera and microphone need a secure page',
    'Open the https address of this server, in a current browser.',
  ],
  media_denied: [
    'The browser was told not to share this',
    'Allow it for this site, then try again.',
  ],
  media_not_found: ['No such device was found', 'Plug it in or choose another one.'],
  media_in_use: ['The device is in use', 'Close other apps or tabs that use it, then try again.'],
  media_failed: ['The call could not be set up', 'Reload the page and join again.'],
};

/** Sentences that fit an operation better than the general one for a code. */
export type Wording = Partial<Record<ConferErrorCode, Text>>;

export const LOGIN_WORDING: Wording = {
  unauthenticated: [
    'Email or password is wrong',
    'Check both, or register if you have no account yet.',
  ],
  rate_limited: ['Too many attempts', 'Wait a minute, then try again.'],
};

export const REGISTER_WORDING: Wording = {
  conflict: ['This email has an account already', 'Log in instead, or use another address.'],
};

export const INVITE_WORDING: Wording = {
  not_found: ['This invite no longer works', 'It expired or was mistyped. Ask for a new link.'],
  forbidden: ['This invite no longer works', 'It was used up. Ask for a new link.'],
};

export const DIRECT_WORDING: Wording = {
  not_found: ['Nobody here has this email', 'Check the spelling, or invite them to a room.'],
  invalid: ['This address does not work', 'Enter the email of another account.'],
};

export const ROOM_WORDING: Wording = {
  not_found: ['This room does not exist', 'It was closed, or you were not invited to it.'],
  forbidden: ['You are not a member of this room', 'Ask somebody inside for an invite link.'],
};

/** What to do about a field that the server refuses. It knows only one thing to be wrong with each. */
export type FieldWording = Readonly<Record<string, string>>;

export const ACCOUNT_FIELDS: FieldWording = {
  email: 'Enter an address like name@example.org.',
  password: 'Use 10 to 256 characters.',
  name: 'Use 1 to 64 visible characters.',
};

export const ROOM_FIELDS: FieldWording = { name: 'Use 1 to 80 visible characters.' };

/** Turns whatever was thrown into sentences. */
export function explain(
  error: unknown,
  wording: Wording = {},
  fieldWording: FieldWording = {},
): Explanation {
  if (!(error instanceof ConferError)) {
    const [title, hint] = UNEXPECTED;
    return { title, hint, fields: {} };
  }

  const [title, hint] = wording[error.code] ?? TEXTS[error.code] ?? UNEXPECTED;
  return { title, hint: waitHint(error, hint), fields: fieldsOf(error, fieldWording) };
}

/** A bug of this page, or a code from a newer server. */
const UNEXPECTED: Text = ['Something went wrong', 'Reload the page and try again.'];

function waitHint(error: ConferError, hint: string): string {
  if (error.code !== 'rate_limited' || error.retryAfterMs === undefined) return hint;
  const seconds = Math.max(1, Math.ceil(error.retryAfterMs / 1000));
  return `Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
}

function fieldsOf(error: ConferError, wording: FieldWording): Record<string, string> {
  return Object.fromEntries(
    Object.entries(error.fields).map(([name, problem]) => [
      name,
      wording[name] ?? sentence(problem),
    ]),
  );
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.charAt(0).toLocaleUpperCase() + trimmed.slice(1);
  return /[.!?]$/u.test(start) ? start : `${start}.`;
}

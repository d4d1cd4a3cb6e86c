import { ConferError, type ConferErrorCode } from 'confer-sdk';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../sdk/js/src/protocol.gen';
import { explain, LOGIN_WORDING, REGISTER_WORDING } from './errors';

describe('the words for errors', () => {
  it.each([...ERROR_CODES])('has a title and advice for %s', (code) => {
    const { title, hint } = explain(new ConferError(code, 'the words of the server'));
    expect(title).not.toBe('');
    expect(hint).toMatch(/\.$/u);
  });

  it('says how long to wait where the server says it', () => {
    const error = new ConferError('rate_limited', '', { retryAfterMs: 1500 });
    expect(explain(error).hint).toBe('Try again in 2 seconds.');
  });

  it('fits the words to what was tried', () => {
    const wrong = new ConferError('unauthenticated', '');
    expect(explain(wrong, LOGIN_WORDING).title).toBe('Email or password is wrong');
    expect(explain(new ConferError('conflict', ''), REGISTER_WORDING).hint).toMatch(/Log in/u);
  });

  it('makes sentences of what is wrong with a field', () => {
    const error = new ConferError('invalid', '', { fields: { password: 'too short' } });
    expect(explain(error).fields).toEqual({ password: 'Too short.' });
  });

  it('knows what to say about a code of a newer server, and about a bug', () => {
    const newer = new ConferError('from_the_future' as ConferErrorCode, '');
    expect(explain(newer).title).toBe('Something went wrong');
    expect(explain(new TypeError('x is undefined')).title).toBe('Something went wrong');
  });
});

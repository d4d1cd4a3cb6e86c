import { describe, expect, it } from 'vitest';
import { Auth } from '../src/auth.js';
import { Http } from '../src/http.js';
import { settle } from './fakes/clock.js';
import { ALICE, BOB, FakeHttp, FakeOrigin, FakePlatform, problem } from './fakes/platform.js';

/** A server whose refresh cookie is good for one use, as the real one's. */
function cookieServer() {
  const http = new FakeHttp();
  let cookie = 0;
  let inside = 0;
  const state = { refreshes: 0, overlapped: false, user: ALICE };
  const token = () => ({ access_token: `access-${cookie}`, expires_in: 600, user: state.user });
  http.on('POST /v1/auth/login', () => {
    cookie += 1;
    return token();
  });
  http.on('POST /v1/auth/refresh', async () => {
    inside += 1;
    state.overlapped ||= inside > 1;
    await settle();
    inside -= 1;
    if (cookie === 0) {
      return problem(401, 'unauthenticated');
    }
    state.refreshes += 1;
    cookie += 1;
    return token();
  });
  http.on('POST /v1/auth/logout', () => ({}));
  http.on('GET /v1/me', () => ({ user: state.user, email: 'alice@example.org' }));
  return { http, state };
}

function page(http: FakeHttp, origin = new FakeOrigin()) {
  const platform = new FakePlatform(origin, http);
  return { platform, auth: new Auth(new Http(platform, platform.origin), platform) };
}

const LOGIN = { email: 'alice@example.org', password: 'correct horse' };

describe('signing in', () => {
  it('keeps the token and tells who is here', async () => {
    const { http } = cookieServer();
    const { auth } = page(http);
    const heard: unknown[] = [];
    auth.on('user', (user) => heard.push(user));
    await auth.login(LOGIN);
    expect(auth.user).toEqual(ALICE);
    expect(heard).toEqual([ALICE]);
    await expect(auth.token()).resolves.toBe('access-1');
  });

  it('says which field was refused', async () => {
    const { http } = cookieServer();
    http.on('POST /v1/auth/register', () =>
      problem(422, 'invalid', { fields: { password: 'at least 10 characters' } }),
    );
    const { auth } = page(http);
    const refused = auth.register({ ...LOGIN, name: 'Alice' });
    await expect(refused).rejects.toMatchObject({
      code: 'invalid',
      fields: { password: 'at least 10 characters' },
      requestId: 'r-1',
    });
  });

  it('sends the header that proves no foreign form did it', async () => {
    const { http } = cookieServer();
    const { auth } = page(http);
    await auth.login(LOGIN);
    expect(http.calls[0]?.headers.get('X-Confer-Client')).toBe('sdk-js');
  });
});

describe('refreshing', () => {
  it('happens before the token ends, and once however many ask', async () => {
    const { http, state } = cookieServer();
    const { auth, platform } = page(http);
    await auth.login(LOGIN);
    await platform.clock.advance(600_000 - 30_000);
    const tokens = await Promise.all([auth.token(), auth.token(), auth.renew('access-1')]);
    expect(new Set(tokens)).toEqual(new Set(['access-2']));
    expect(state.refreshes).toBe(1);
  });

  it('leaves a short-lived token most of its life', async () => {
    const { http, state } = cookieServer();
    const usual = { access_token: 'short', expires_in: 20, user: ALICE };
    http.on('POST /v1/auth/login', () => usual);
    const { auth, platform } = page(http);
    await auth.login(LOGIN);
    await platform.clock.advance(14_900);
    await expect(auth.token()).resolves.toBe('short');
    expect(state.refreshes).toBe(0);
  });

  it('is done by one page of an origin at a time', async () => {
    const { http, state } = cookieServer();
    const origin = new FakeOrigin();
    const first = page(http, origin);
    await first.auth.login(LOGIN);
    const second = page(http, origin);
    const third = page(http, origin);
    await Promise.all([first.auth.renew('access-1'), second.auth.restore(), third.auth.restore()]);
    expect(state.refreshes).toBe(3);
    expect(state.overlapped).toBe(false);
  });

  it('is not repeated for somebody whose token is newer than the refused one', async () => {
    const { http, state } = cookieServer();
    const { auth } = page(http);
    await auth.login(LOGIN);
    await expect(auth.renew('access-0')).resolves.toBe('access-1');
    expect(state.refreshes).toBe(0);
  });

  it('does not sign anybody in again who signed out meanwhile', async () => {
    const { http } = cookieServer();
    const { auth } = page(http);
    await auth.login(LOGIN);
    const renewing = auth.renew('access-1');
    while (http.called('POST /v1/auth/refresh') === 0) {
      await Promise.resolve();
    }
    await auth.logout();
    await expect(renewing).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(auth.user).toBeNull();
    await expect(auth.token()).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('coming back to a page', () => {
  it('finds the person who was signed in', async () => {
    const { http } = cookieServer();
    const origin = new FakeOrigin();
    await page(http, origin).auth.login(LOGIN);
    const { auth } = page(http, origin);
    await expect(auth.restore()).resolves.toMatchObject({ email: 'alice@example.org' });
    expect(auth.user).toEqual(ALICE);
  });

  it('asks nothing when nobody ever was', async () => {
    const { http } = cookieServer();
    await expect(page(http).auth.restore()).resolves.toBeNull();
    expect(http.calls).toHaveLength(0);
  });

  it('finds nobody when the cookie is no longer good', async () => {
    const { http } = cookieServer();
    const origin = new FakeOrigin();
    await page(http, origin).auth.login(LOGIN);
    http.on('POST /v1/auth/refresh', () => problem(401, 'revoked'));
    const { auth } = page(http, origin);
    await expect(auth.restore()).resolves.toBeNull();
    await expect(page(http, origin).auth.restore()).resolves.toBeNull();
  });

  it('reports a server that cannot be reached instead of signing out', async () => {
    const { http } = cookieServer();
    const origin = new FakeOrigin();
    await page(http, origin).auth.login(LOGIN);
    http.on('POST /v1/auth/refresh', () => Promise.reject(new TypeError('offline')));
    await expect(page(http, origin).auth.restore()).rejects.toMatchObject({ code: 'network' });
  });

  it('forgets the person when another page of the origin changes accounts', async () => {
    const { http, state } = cookieServer();
    const origin = new FakeOrigin();
    const first = page(http, origin);
    await first.auth.login(LOGIN);
    const second = page(http, origin);
    state.user = BOB;
    await second.auth.login(LOGIN);
    expect(first.auth.user).toBeNull();
    expect(second.auth.user).toEqual(BOB);
  });
});

describe('a request', () => {
  it('is repeated once with a fresh token when the server calls the old one expired', async () => {
    const { http, state } = cookieServer();
    const { auth, platform } = page(http);
    await auth.login(LOGIN);
    let tries = 0;
    http.on('GET /v1/rooms', () => {
      tries += 1;
      return tries === 1 ? problem(401, 'token_expired') : { rooms: [] };
    });
    const client = new Http(platform, platform.origin);
    await client.authorized({ method: 'GET', path: '/v1/rooms' }, auth);
    expect(state.refreshes).toBe(1);
    expect(http.calls.at(-1)?.headers.get('Authorization')).toBe('Bearer access-2');
  });

  it('survives an answer that is no problem document', async () => {
    const { http } = cookieServer();
    http.on('POST /v1/auth/login', () => new Response('<h1>Bad gateway</h1>', { status: 502 }));
    await expect(page(http).auth.login(LOGIN)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

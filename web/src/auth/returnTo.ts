import { type Place, parseRoute } from '../lib/router';

const KEY = 'confer.return';

/** Remembers, for this tab, where somebody wanted to go before they had to log in. */
export function returnAfterLogin(pathname: string): void {
  sessionStorage.setItem(KEY, pathname);
}

/** They began anew: where they once wanted to go no longer counts. */
export function forgetReturn(): void {
  sessionStorage.removeItem(KEY);
}

/** Where to go once logged in: where they wanted to, else to their rooms. */
export function returnPlace(): Place {
  const route = parseRoute(sessionStorage.getItem(KEY) ?? '/');
  return route.page === 'not-found' ? { page: 'home' } : route;
}

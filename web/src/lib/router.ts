import { useSyncExternalStore } from 'react';

/** Every place in the app that has an address. */
export type Route =
  | { page: 'home' }
  | { page: 'login' }
  | { page: 'register' }
  | { page: 'invite'; code: string }
  | { page: 'room'; room: string }
  | { page: 'call'; room: string }
  | { page: 'direct'; conversation: string }
  | { page: 'not-found' };

/** A route that one can be sent to. */
export type Place = Exclude<Route, { page: 'not-found' }>;

export function parseRoute(pathname: string): Route {
  const parts = pathname.split('/').filter(Boolean).map(decode);
  const [first, second, third] = parts;

  if (first === undefined) return { page: 'home' };
  if (parts.length === 1 && first === 'login') return { page: 'login' };
  if (parts.length === 1 && first === 'register') return { page: 'register' };
  if (parts.length === 2 && first === 'i' && second) return { page: 'invite', code: second };
  if (parts.length === 2 && first === 'c' && second) {
    return { page: 'direct', conversation: second };
  }
  if (first === 'rooms' && second) {
    if (parts.length === 2) return { page: 'room', room: second };
    if (parts.length === 3 && third === 'call') return { page: 'call', room: second };
  }
  return { page: 'not-found' };
}

export function hrefOf(route: Place): string {
  switch (route.page) {
    case 'home':
      return '/';
    case 'login':
      return '/login';
    case 'register':
      return '/register';
    case 'invite':
      return `/i/${encodeURIComponent(route.code)}`;
    case 'room':
      return `/rooms/${encodeURIComponent(route.room)}`;
    case 'call':
      return `/rooms/${encodeURIComponent(route.room)}/call`;
    case 'direct':
      return `/c/${encodeURIComponent(route.conversation)}`;
  }
}

/** Goes somewhere else in the app, without loading the page again. */
export function navigate(route: Place, how: 'push' | 'replace' = 'push'): void {
  const href = hrefOf(route);
  if (how === 'push') window.history.pushState(null, '', href);
  else window.history.replaceState(null, '', href);
  window.dispatchEvent(new PopStateEvent('popstate'));
}

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => window.location.pathname));
}

function subscribe(changed: () => void): () => void {
  window.addEventListener('popstate', changed);
  return () => window.removeEventListener('popstate', changed);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Not a percent-encoding we wrote; as it stands it names nothing, which is what will be said.
    return part;
  }
}

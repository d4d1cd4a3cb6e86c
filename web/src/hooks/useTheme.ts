import { useSyncExternalStore } from 'react';
import { remember, remembered } from '../lib/memory';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'confer.theme';
const listeners = new Set<() => void>();

/** Puts the remembered choice on the page. Called before the first paint. */
export function applyTheme(): void {
  const theme = chosenTheme();
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function setTheme(theme: Theme): void {
  remember(KEY, theme === 'system' ? undefined : theme);
  applyTheme();
  for (const listener of listeners) listener();
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, chosenTheme);
}

function chosenTheme(): Theme {
  const value = remembered(KEY);
  return value === 'light' || value === 'dark' ? value : 'system';
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

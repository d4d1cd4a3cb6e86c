import { explain, type Wording } from '../lib/errors';

export interface Toast {
  id: number;
  tone: 'info' | 'danger';
  title: string;
  hint?: string;
}

/** More would cover the page; the oldest goes first. */
const MOST_TOASTS = 3;

let current: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

export function toast(title: string, hint?: string, tone: Toast['tone'] = 'info'): void {
  lastId += 1;
  const added: Toast = { id: lastId, tone, title, ...(hint === undefined ? {} : { hint }) };
  // The same words twice say no more than once.
  set([...current.filter((one) => one.title !== title), added].slice(-MOST_TOASTS));
}

/** Shows what was thrown as sentences. */
export function toastError(error: unknown, wording?: Wording): void {
  const { title, hint } = explain(error, wording);
  toast(title, hint, 'danger');
}

export function dismissToast(id: number): void {
  set(current.filter((one) => one.id !== id));
}

export function toasts(): readonly Toast[] {
  return current;
}

export function subscribeToasts(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

function set(next: readonly Toast[]): void {
  current = next;
  for (const listener of listeners) listener();
}

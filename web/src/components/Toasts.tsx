import { X } from 'lucide-react';
import { Toast as Radix } from 'radix-ui';
import { useSyncExternalStore } from 'react';
import { cx } from '../lib/cx';
import { dismissToast, subscribeToasts, toasts } from './toastStore';

/** Short messages at the edge of the screen that go away by themselves. */
export function Toasts() {
  const shown = useSyncExternalStore(subscribeToasts, toasts);

  return (
    <Radix.Provider swipeDirection="up" label="Message" duration={7000}>
      {shown.map((toast) => (
        <Radix.Root
          key={toast.id}
          type={toast.tone === 'danger' ? 'foreground' : 'background'}
          onOpenChange={(open) => {
            if (!open) dismissToast(toast.id);
          }}
          data-testid="toast"
          className={cx(
            'rise flex items-start gap-3 rounded-card border bg-raised py-3 pr-2 pl-4 shadow-3',
            toast.tone === 'danger' ? 'border-danger' : 'border-line',
          )}
        >
          <div className="min-w-0 flex-1 py-0.5 text-sm">
            <Radix.Title className="font-semibold">{toast.title}</Radix.Title>
            {toast.hint === undefined ? null : (
              <Radix.Description className="text-ink-2">{toast.hint}</Radix.Description>
            )}
          </div>
          <Radix.Close
            aria-label="Dismiss"
            className="press inline-flex size-8 items-center justify-center rounded-lg text-ink-3 hover:bg-hover hover:text-ink"
          >
            <X aria-hidden="true" className="size-4" />
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed top-0 left-1/2 z-70 flex w-full max-w-md -translate-x-1/2 flex-col gap-2 p-3 outline-none" />
    </Radix.Provider>
  );
}

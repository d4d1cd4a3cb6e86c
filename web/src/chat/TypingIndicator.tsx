import { listNames } from '../lib/person';

/** Who is writing now. Keeps its height, so that the list does not jump. */
export function TypingIndicator({ names }: { names: readonly string[] }) {
  return (
    <div
      aria-live="polite"
      className="mx-auto flex h-6 w-full max-w-4xl items-center gap-2 px-5 text-xs text-ink-2 sm:px-7"
      data-testid="typing"
    >
      {names.length === 0 ? null : (
        <>
          <span aria-hidden="true" className="inline-flex gap-0.75">
            <span className="typing-dot size-1.25 rounded-full bg-accent" />
            <span className="typing-dot size-1.25 rounded-full bg-accent [animation-delay:0.15s]" />
            <span className="typing-dot size-1.25 rounded-full bg-accent [animation-delay:0.3s]" />
          </span>
          <span className="truncate">
            {listNames(names)} {names.length === 1 ? 'is' : 'are'} writing…
          </span>
        </>
      )}
    </div>
  );
}

import { SendHorizontal, X } from 'lucide-react';
import { type KeyboardEvent, type Ref, useImperativeHandle, useRef, useState } from 'react';
import type { MessageView } from './view';

/** The server refuses longer messages. */
export const MOST_CHARACTERS = 8000;
/** From here on the writer is told how much is left. */
const WARN_CHARACTERS = MOST_CHARACTERS - 200;
const MOST_ROWS = 6;

interface ComposerProps {
  placeholder: string;
  replyTo?: MessageView | undefined;
  onCancelReply: () => void;
  onSend: (body: string) => void;
  onTyping: () => void;
  ref?: Ref<{ focus: () => void }>;
}

/** Where messages are written: Enter sends, Shift and Enter begins a new line. */
export function Composer(props: ComposerProps) {
  const { placeholder, replyTo, onCancelReply, onSend, onTyping, ref } = props;
  const [text, setText] = useState('');
  const input = useRef<HTMLTextAreaElement>(null);
  const left = MOST_CHARACTERS - [...text].length;
  const sendable = text.trim() !== '' && left >= 0;

  useImperativeHandle(ref, () => ({ focus: () => input.current?.focus() }), []);

  function send() {
    if (!sendable) return;
    onSend(text.trim());
    setText('');
    input.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    // While an input method composes, Enter chooses a word.
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape' && replyTo !== undefined) {
      event.stopPropagation();
      onCancelReply();
    }
  }

  return (
    <form
      className="mx-auto w-full max-w-4xl px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-5"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className="rounded-2xl border border-line-strong bg-surface shadow-1 transition-colors focus-within:border-accent focus-within:outline-1 focus-within:outline-accent">
        {replyTo === undefined ? null : (
          <div className="rise mx-2 mt-2 flex items-center gap-2 rounded-xl bg-sunken py-1.5 pr-1 pl-3 text-sm">
            <div className="min-w-0 flex-1">
              <p className="truncate font-semibold text-accent-text">
                Reply to {replyTo.own ? 'yourself' : replyTo.sender.name}
              </p>
              <p className="truncate text-ink-2">{replyTo.body}</p>
            </div>
            <button
              type="button"
              aria-label="Cancel reply"
              onClick={onCancelReply}
              className="press inline-flex size-8 items-center justify-center rounded-lg text-ink-3 hover:bg-hover hover:text-ink"
            >
              <X aria-hidden="true" className="size-4" />
            </button>
          </div>
        )}
        <div className="flex items-end gap-1 p-1">
          <textarea
            ref={input}
            // For browsers that do not size a field by what is in it.
            rows={Math.min(MOST_ROWS, text.split('\n').length)}
            value={text}
            aria-label="Message"
            aria-describedby={left < 0 ? 'composer-length' : undefined}
            aria-invalid={left < 0 || undefined}
            data-testid="chat-input"
            placeholder={placeholder}
            onChange={(event) => {
              setText(event.target.value);
              if (event.target.value.trim() !== '') onTyping();
            }}
            onKeyDown={onKeyDown}
            className="field-sizing-content max-h-40 min-h-10 min-w-0 flex-1 resize-none bg-transparent px-3 py-2 text-base leading-normal outline-none placeholder:text-ink-3"
          />
          <button
            type="submit"
            aria-label="Send"
            title="Send"
            data-testid="chat-send"
            disabled={!sendable}
            className="press inline-flex size-10 shrink-0 items-center justify-center rounded-xl bg-accent text-accent-ink hover:bg-accent-hover disabled:bg-transparent disabled:text-ink-3"
          >
            <SendHorizontal aria-hidden="true" className="size-5" />
          </button>
        </div>
      </div>
      {[...text].length > WARN_CHARACTERS ? (
        <p
          id="composer-length"
          aria-live="polite"
          className={
            left < 0 ? 'mt-1 px-2 text-xs text-danger-text' : 'mt-1 px-2 text-xs text-ink-3'
          }
        >
          {left < 0 ? `${-left} characters too long` : `${left} characters left`}
        </p>
      ) : null}
    </form>
  );
}

import { Reply, RotateCw } from 'lucide-react';
import { cx } from '../lib/cx';
import { clockTime, fullTime } from '../lib/time';
import { linkify } from './linkify';
import { Ticks } from './Ticks';
import type { MessageView } from './view';

interface MessageBubbleProps {
  message: MessageView;
  /** Corners are drawn together inside a group. */
  first: boolean;
  last: boolean;
  onReply?: ((message: MessageView) => void) | undefined;
  onRetry: (message: MessageView) => void;
  onShowOriginal: (seq: number) => void;
}

export function MessageBubble(props: MessageBubbleProps) {
  const { message, first, last, onReply, onRetry, onShowOriginal } = props;
  const { own, status } = message;
  const canReply = onReply !== undefined && message.seq !== undefined;

  return (
    <div
      data-testid="chat-message"
      data-status={status}
      data-seq={message.seq}
      data-own={own || undefined}
      className={cx('group/message flex items-center gap-1 rounded-2xl', own && 'flex-row-reverse')}
    >
      <div
        className={cx(
          'relative max-w-[min(34rem,88%)] min-w-0 rounded-2xl px-3.5 py-2 text-[0.9375rem] leading-snug',
          own
            ? status === 'sending'
              ? 'bg-accent-soft/60'
              : 'bg-accent-soft'
            : 'border border-line bg-surface',
          own && !first && 'rounded-tr-md',
          own && !last && 'rounded-br-md',
          !own && !first && 'rounded-tl-md',
          !own && !last && 'rounded-bl-md',
          status === 'failed' && 'outline-1 outline-danger',
        )}
      >
        {message.replyTo === undefined ? null : (
          <Quote reply={message.replyTo} onShow={onShowOriginal} />
        )}
        <div className="wrap-anywhere whitespace-pre-wrap">
          <Body text={message.body} />
          <span className="float-right mt-1.5 ml-3 inline-flex translate-y-0.5 items-center gap-1 text-[0.6875rem] leading-none whitespace-nowrap text-ink-3 select-none">
            <time dateTime={message.at.toISOString()} title={fullTime(message.at)}>
              {clockTime(message.at)}
            </time>
            {status === undefined ? null : <Ticks status={status} />}
          </span>
        </div>
      </div>
      {status === 'failed' ? (
        <button
          type="button"
          data-testid="chat-retry"
          onClick={() => onRetry(message)}
          className="press inline-flex h-8 items-center gap-1.5 rounded-control px-2.5 text-sm font-medium text-danger-text hover:bg-danger-soft"
        >
          <RotateCw aria-hidden="true" className="size-4" />
          Retry
        </button>
      ) : null}
      {canReply ? (
        <button
          type="button"
          aria-label={`Reply to ${own ? 'yourself' : message.sender.name}`}
          title="Reply"
          onClick={() => onReply(message)}
          className="press inline-flex size-8 shrink-0 items-center justify-center rounded-full text-ink-3 opacity-0 group-hover/message:opacity-100 hover:bg-hover hover:text-ink focus-visible:opacity-100 pointer-coarse:opacity-60"
        >
          <Reply aria-hidden="true" className="size-4" />
        </button>
      ) : null}
    </div>
  );
}

function Quote({
  reply,
  onShow,
}: {
  reply: NonNullable<MessageView['replyTo']>;
  onShow: (seq: number) => void;
}) {
  return (
    <button
      type="button"
      onClick={() => onShow(reply.seq)}
      className="mb-1.5 block w-full min-w-0 rounded-lg border-l-3 border-accent bg-hover px-2.5 py-1.5 text-left text-sm"
    >
      <span className="block truncate font-semibold text-accent-text">
        <span className="sr-only">In reply to </span>
        {reply.name}
      </span>
      <span className="line-clamp-2 wrap-anywhere text-ink-2">{reply.body}</span>
    </button>
  );
}

function Body({ text }: { text: string }) {
  let position = 0;
  return linkify(text).map((piece) => {
    const key = position;
    position += piece.text.length;
    return piece.kind === 'text' ? (
      <span key={key}>{piece.text}</span>
    ) : (
      <a
        key={key}
        href={piece.href}
        target="_blank"
        rel="noopener noreferrer nofollow"
        className="font-medium text-accent-text underline underline-offset-2"
      >
        {piece.text}
      </a>
    );
  });
}

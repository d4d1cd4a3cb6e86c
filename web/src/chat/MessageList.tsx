import { ArrowDown } from 'lucide-react';
import { type RefObject, useMemo } from 'react';
import { BubblesArt } from '../components/art';
import { EmptyState } from '../components/EmptyState';
import { Loading, Spinner } from '../components/Spinner';
import { dayLabel, fullTime } from '../lib/time';
import { arrange, type UnreadSpan } from './arrange';
import { MessageGroup } from './MessageGroup';
import { useStickyScroll } from './useStickyScroll';
import type { ListItem, MessageView } from './view';

export interface MessageListProps {
  messages: readonly MessageView[];
  /** Nothing is known yet: neither messages nor that there are none. */
  loading: boolean;
  hasOlder: boolean;
  loadOlder: () => Promise<void>;
  unread?: UnreadSpan | undefined;
  /** Names the place in the empty state. */
  title: string;
  /** Between two people, names say nothing new. */
  named?: boolean | undefined;
  onAtBottom?: ((atBottom: boolean) => void) | undefined;
  onReply?: ((message: MessageView) => void) | undefined;
  onRetry: (message: MessageView) => void;
}

export function MessageList(props: MessageListProps) {
  const { messages, loading, hasOlder, loadOlder, unread, title, onReply, onRetry } = props;
  const { named = true, onAtBottom } = props;
  const items = useMemo(() => arrange(messages, unread), [messages, unread]);
  const newest = messages[messages.length - 1];
  const scroll = useStickyScroll({
    newestKey: newest?.key,
    newestIsOwn: newest?.own ?? false,
    oldestKey: messages[0]?.key,
    hasOlder,
    loadOlder,
    onAtBottom,
  });

  if (loading) return <Loading label="Loading messages" />;
  if (messages.length === 0) {
    return (
      <div className="flex flex-1 items-center justify-center overflow-y-auto">
        <EmptyState art={<BubblesArt />} title={`This is the start of ${title}`}>
          Messages stay here after the call, for everybody in it.
        </EmptyState>
      </div>
    );
  }

  function showOriginal(seq: number) {
    const original = scroll.area.current?.querySelector(`[data-seq="${seq}"]`);
    if (original instanceof HTMLElement) pointOut(original);
  }

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroll.area}
        onScroll={scroll.onScroll}
        role="log"
        aria-live="off"
        aria-label="Messages"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard
        tabIndex={0}
        data-testid="message-list"
        className="h-full overflow-y-auto overscroll-contain -outline-offset-2 [overflow-anchor:none]"
      >
        <div className="mx-auto flex min-h-full w-full max-w-4xl flex-col justify-end py-3">
          {hasOlder ? (
            <div className="flex h-10 items-center justify-center text-ink-3">
              <Spinner />
              <span className="sr-only">Loading older messages</span>
            </div>
          ) : null}
          {items.map((item) => (
            <Item
              key={item.key}
              item={item}
              named={named}
              unreadLine={scroll.unreadLine}
              onReply={onReply}
              onRetry={onRetry}
              onShowOriginal={showOriginal}
            />
          ))}
        </div>
      </div>
      {scroll.atBottom ? null : (
        <button
          type="button"
          onClick={scroll.toBottom}
          className="rise press absolute right-4 bottom-3 inline-flex h-10 items-center gap-2 rounded-full border border-line bg-raised px-3.5 text-sm font-medium shadow-2 hover:bg-sunken"
        >
          {scroll.missed > 0 ? (
            <span>
              {scroll.missed} new {scroll.missed === 1 ? 'message' : 'messages'}
            </span>
          ) : (
            <span className="sr-only">To the newest message</span>
          )}
          <ArrowDown aria-hidden="true" className="size-4.5" />
        </button>
      )}
    </div>
  );
}

/** Brings a message into view and lets it light up. */
function pointOut(message: HTMLElement): void {
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  message.scrollIntoView({ block: 'center', behavior: calm ? 'auto' : 'smooth' });
  message.animate([{ backgroundColor: 'var(--accent-soft)' }, { backgroundColor: 'transparent' }], {
    duration: 1600,
    easing: 'ease-in',
  });
}

interface ItemProps {
  item: ListItem;
  named: boolean;
  unreadLine: RefObject<HTMLDivElement | null>;
  onReply?: ((message: MessageView) => void) | undefined;
  onRetry: (message: MessageView) => void;
  onShowOriginal: (seq: number) => void;
}

function Item({ item, named, unreadLine, ...handlers }: ItemProps) {
  switch (item.kind) {
    case 'day':
      return (
        <div className="flex justify-center py-3">
          <time
            dateTime={item.at.toISOString()}
            title={fullTime(item.at)}
            className="rounded-full bg-sunken px-3 py-0.5 text-xs font-medium text-ink-2"
          >
            {dayLabel(item.at, new Date())}
          </time>
        </div>
      );
    case 'unread':
      return (
        <div
          ref={unreadLine}
          data-testid="unread-divider"
          className="flex items-center gap-3 px-5 py-2 text-xs font-semibold text-accent-text"
        >
          <span aria-hidden="true" className="h-px flex-1 bg-accent opacity-40" />
          {item.count} new
          <span aria-hidden="true" className="h-px flex-1 bg-accent opacity-40" />
        </div>
      );
    case 'group':
      return <MessageGroup messages={item.messages} named={named} {...handlers} />;
  }
}

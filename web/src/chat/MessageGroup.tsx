import { Avatar } from '../components/Avatar';
import { cx } from '../lib/cx';
import { MessageBubble } from './MessageBubble';
import type { MessageView } from './view';

interface MessageGroupProps {
  messages: readonly [MessageView, ...MessageView[]];
  named: boolean;
  onReply?: ((message: MessageView) => void) | undefined;
  onRetry: (message: MessageView) => void;
  onShowOriginal: (seq: number) => void;
}

/** What one person said in one go. */
export function MessageGroup({ messages, named, ...handlers }: MessageGroupProps) {
  const { sender, own } = messages[0];

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset groups the controls of a form
    <div
      role="group"
      aria-label={own ? 'You' : sender.name}
      className={cx('flex items-end gap-2 px-3 py-1 sm:px-5', own && 'flex-row-reverse')}
    >
      {own ? null : <Avatar id={sender.id} name={sender.name} size="sm" className="mb-0.5" />}
      <div className="flex min-w-0 flex-1 flex-col gap-0.5">
        {own || !named ? null : (
          <p className="mb-0.5 ml-1 truncate text-[0.8125rem] font-semibold text-ink-2">
            {sender.name}
          </p>
        )}
        {messages.map((message, index) => (
          <MessageBubble
            key={message.key}
            message={message}
            first={index === 0}
            last={index === messages.length - 1}
            {...handlers}
          />
        ))}
      </div>
    </div>
  );
}

import { useRef, useState } from 'react';
import { Composer } from './Composer';
import { MessageList, type MessageListProps } from './MessageList';
import { TypingIndicator } from './TypingIndicator';
import type { MessageView } from './view';

export interface ChatPaneProps extends Omit<MessageListProps, 'onReply'> {
  typing: readonly string[];
  canWrite: boolean;
  onSend: (body: string, replyTo: number | undefined) => void;
  onTyping: () => void;
}

/** A whole conversation: what was said, who is writing, and where to write. */
export function ChatPane({ typing, canWrite, onSend, onTyping, ...list }: ChatPaneProps) {
  const [replyTo, setReplyTo] = useState<MessageView>();
  const composer = useRef<{ focus: () => void }>(null);

  function reply(message: MessageView) {
    setReplyTo(message);
    composer.current?.focus();
  }

  return (
    <div className="flex h-full min-h-0 flex-col">
      <MessageList {...list} onReply={canWrite ? reply : undefined} />
      <TypingIndicator names={typing} />
      {canWrite ? (
        <Composer
          ref={composer}
          placeholder={`Message ${list.title}`}
          replyTo={replyTo}
          onCancelReply={() => setReplyTo(undefined)}
          onTyping={onTyping}
          onSend={(body) => {
            onSend(body, replyTo?.seq);
            setReplyTo(undefined);
          }}
        />
      ) : (
        <p className="px-5 pb-4 text-center text-sm text-ink-3">
          You can read here, but not write.
        </p>
      )}
    </div>
  );
}

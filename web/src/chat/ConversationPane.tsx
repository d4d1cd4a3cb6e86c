import type { ChatConversation } from 'confer-sdk';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { toastError } from '../components/toastStore';
import { usePageVisible } from '../hooks/usePageVisible';
import { useRevision } from '../hooks/useRevision';
import type { UnreadSpan } from './arrange';
import { ChatPane } from './ChatPane';
import { messageViews } from './messageViews';

/** Fewer messages than this do not fill a screen: the page before them is fetched at once. */
const ENOUGH_MESSAGES = 15;

interface ConversationPaneProps {
  conversation: ChatConversation;
  canWrite?: boolean;
}

/** A conversation, connected: reads, writes, and says what was read. */
export function ConversationPane({ conversation, canWrite = true }: ConversationPaneProps) {
  useRevision(conversation);
  const { messages, hasMore, lastSeq, unread } = conversation;
  const views = useMemo(() => messageViews(messages), [messages]);
  const span = useUnreadAtOpening(conversation);
  const [loadFailed, setLoadFailed] = useState(false);
  const visible = usePageVisible();

  useEffect(() => {
    // `lastSeq`: what comes while the page is in view is read, too.
    void lastSeq;
    if (visible && unread > 0) conversation.markRead();
  }, [conversation, visible, lastSeq, unread]);

  const loadOlder = useCallback(async () => {
    try {
      await conversation.loadMore();
      setLoadFailed(false);
    } catch (error) {
      setLoadFailed(true);
      toastError(error);
    }
  }, [conversation]);

  const few = messages.length < ENOUGH_MESSAGES && hasMore;
  useEffect(() => {
    if (few && !loadFailed) void loadOlder();
  }, [few, loadFailed, loadOlder]);

  return (
    <ChatPane
      title={conversation.title}
      messages={views}
      loading={messages.length === 0 && hasMore && !loadFailed}
      hasOlder={hasMore}
      loadOlder={loadOlder}
      unread={span}
      typing={conversation.typing.map(({ name }) => name)}
      canWrite={canWrite}
      onSend={(body, replyTo) => conversation.send(body, { replyTo })}
      onTyping={() => conversation.sendTyping()}
      onRetry={({ key }) => conversation.retry(key)}
    />
  );
}

/** What was unread when this conversation came into view; the divider stays while one reads. */
function useUnreadAtOpening(conversation: ChatConversation): UnreadSpan | undefined {
  const [opened] = useState(() => ({
    unread: conversation.unread,
    span: { after: conversation.readCursor, upTo: conversation.lastSeq },
  }));
  return opened.unread > 0 ? opened.span : undefined;
}

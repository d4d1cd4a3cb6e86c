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
  const [atBottom, setAtBottom] = useState(false);

  // The first page is still missing: what was not there was not read.
  const filling = messages.length < ENOUGH_MESSAGES && hasMore && !loadFailed;

  useEffect(() => {
    // Read is what was in view, down to the newest; `lastSeq`: also what comes meanwhile.
    void lastSeq;
    if (visible && atBottom && !filling && unread > 0) conversation.markRead();
  }, [conversation, visible, atBottom, filling, lastSeq, unread]);

  const loadOlder = useCallback(async () => {
    try {
      await conversation.loadMore();
      setLoadFailed(false);
    } catch (error) {
      setLoadFailed(true);
      toastError(error);
    }
  }, [conversation]);

  useEffect(() => {
    if (filling) void loadOlder();
  }, [filling, loadOlder]);

  return (
    <ChatPane
      title={conversation.title}
      messages={views}
      loading={messages.length === 0 && hasMore && !loadFailed}
      hasOlder={hasMore}
      loadOlder={loadOlder}
      unread={span}
      named={conversation.kind === 'room'}
      onAtBottom={setAtBottom}
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

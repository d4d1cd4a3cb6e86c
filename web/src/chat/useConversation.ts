import type { ChatConversation } from 'confer-sdk';
import { useCallback, useEffect, useState } from 'react';
import { client } from '../client';
import { useRevision } from '../hooks/useRevision';

export interface OpenedConversation {
  conversation: ChatConversation | undefined;
  /** Why it could not be opened. */
  error: unknown;
  retry: () => void;
}

/** Opens a conversation and follows it. */
export function useConversation(id: string): OpenedConversation {
  const [failed, setFailed] = useState<{ id: string; error: unknown }>();
  const [tries, setTries] = useState(0);
  useRevision(client);
  const connected = client.connection === 'connected';
  // The chat forgets conversations it was removed from, and adopts those it is added to.
  useRevision(client.chat);
  const conversation = client.chat.conversation(id);
  useRevision(conversation);

  const known = conversation !== undefined;
  useEffect(() => {
    // The chat knows who it belongs to once it is connected. `tries` is what a retry changes.
    void tries;
    if (known || !connected) return;
    let current = true;
    setFailed(undefined);
    client.chat.open(id).catch((error: unknown) => {
      if (current) setFailed({ id, error });
    });
    return () => {
      current = false;
    };
  }, [id, known, connected, tries]);

  const retry = useCallback(() => setTries((count) => count + 1), []);
  return {
    conversation,
    error: failed?.id === id && !known ? failed.error : undefined,
    retry,
  };
}

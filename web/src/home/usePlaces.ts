import type { ChatConversation, RoomSummary } from 'confer-sdk';
import { useMemo } from 'react';
import { client } from '../client';
import { usePolled } from '../hooks/usePolled';
import { useRevision } from '../hooks/useRevision';
import type { PlaceView } from './view';

/** How many are in a call is told to nobody outside of it, so it is asked for. */
const ROOMS_EVERY_MS = 10_000;

const askRooms = () => client.api.rooms();

export interface Places {
  places: PlaceView[] | undefined;
  error: unknown;
  refresh: () => void;
}

/** Rooms and direct conversations, the most recent first. */
export function usePlaces(): Places {
  const { value: rooms, error, refresh } = usePolled(askRooms, ROOMS_EVERY_MS);
  const revision = useRevision(client.chat);

  const places = useMemo(() => {
    if (rooms === undefined) return undefined;
    // Read for what it stands for: another revision is another list.
    void revision;
    const direct = client.chat.conversations.filter(({ kind }) => kind === 'direct');
    return [...rooms.map(roomPlace), ...direct.map(directPlace)].sort(newestFirst);
  }, [rooms, revision]);

  return { places, error, refresh };
}

function roomPlace(summary: RoomSummary): PlaceView {
  const { room } = summary;
  const conversation = client.chat.conversation(room.id);
  const lastAt = conversation?.lastMessage?.createdAt ?? summary.last_message_at;
  return {
    kind: 'room',
    id: room.id,
    colourId: room.id,
    title: room.name,
    preview: conversation && previewOf(conversation),
    lastAt: lastAt === null ? undefined : new Date(lastAt),
    unread: conversation?.unread ?? summary.unread,
    inCall: summary.in_call,
  };
}

function directPlace(conversation: ChatConversation): PlaceView {
  const self = client.user?.id;
  const other = conversation.members.find(({ user }) => user.id !== self);
  const last = conversation.lastMessage;
  return {
    kind: 'direct',
    id: conversation.id,
    colourId: other?.user.id ?? conversation.id,
    title: conversation.title,
    preview: previewOf(conversation),
    lastAt: last === undefined ? undefined : new Date(last.createdAt),
    unread: conversation.unread,
    inCall: 0,
  };
}

function previewOf(conversation: ChatConversation): string | undefined {
  const last = conversation.lastMessage;
  if (last === undefined) return undefined;
  if (last.own) return `You: ${last.body}`;
  return conversation.kind === 'direct' ? last.body : `${last.sender.name}: ${last.body}`;
}

function newestFirst(a: PlaceView, b: PlaceView): number {
  const difference = (b.lastAt?.getTime() ?? 0) - (a.lastAt?.getTime() ?? 0);
  return difference === 0 ? a.title.localeCompare(b.title) : difference;
}

import { type ChatConversation, hasCode, type UserInfo } from 'confer-sdk';
import { ConversationPane } from '../chat/ConversationPane';
import { useConversation } from '../chat/useConversation';
import { BubblesArt } from '../components/art';
import { Button, buttonClass } from '../components/Button';
import { EmptyState } from '../components/EmptyState';
import { Link } from '../components/Link';
import { NotFound } from '../components/NotFound';
import { Loading } from '../components/Spinner';
import { explain, ROOM_WORDING } from '../lib/errors';
import { inviteLink } from '../lib/invite';
import { listNames } from '../lib/person';
import { ChatHeader } from './ChatHeader';

interface ConversationScreenProps {
  id: string;
  user: UserInfo;
  inCall: number;
}

/** The conversation of a room or with one person, with its header. */
export function ConversationScreen({ id, user, inCall }: ConversationScreenProps) {
  const { conversation, error, retry } = useConversation(id);

  if (conversation === undefined) {
    if (error === undefined) return <Loading label="Opening the conversation" />;
    if (user.guest && hasCode(error, 'not_found')) return <GuestFirst room={id} />;
    const { title, hint } = explain(error, ROOM_WORDING);
    return (
      <NotFound title={title} hint={hint} action={<Button onClick={retry}>Try again</Button>} />
    );
  }

  const isRoom = conversation.kind === 'room';
  return (
    <>
      <ChatHeader
        title={conversation.title}
        subtitle={subtitle(conversation, user.id)}
        colourId={colourId(conversation, user.id)}
        room={isRoom ? id : undefined}
        inCall={inCall}
        createLink={isRoom && !user.guest ? () => inviteLink(id) : undefined}
      />
      <div className="min-h-0 flex-1">
        <ConversationPane conversation={conversation} />
      </div>
    </>
  );
}

/** A guest belongs to the conversation from the first time in the call on. */
function GuestFirst({ room }: { room: string }) {
  return (
    <div className="flex h-full items-center justify-center">
      <EmptyState
        art={<BubblesArt />}
        heading="h1"
        title="The chat opens with the call"
        action={
          <Link to={{ page: 'call', room }} className={buttonClass('primary')}>
            To the call
          </Link>
        }
      >
        Once you have been in the call, you can read and write here.
      </EmptyState>
    </div>
  );
}

function subtitle(conversation: ChatConversation, self: string): string | undefined {
  if (conversation.kind === 'direct') return undefined;
  const others = conversation.members.filter(({ user }) => user.id !== self);
  if (others.length === 0) return 'Only you so far';
  return `You, ${listNames(others.map(({ user }) => user.name))}`;
}

function colourId(conversation: ChatConversation, self: string): string {
  if (conversation.kind === 'room') return conversation.id;
  return conversation.members.find(({ user }) => user.id !== self)?.user.id ?? conversation.id;
}

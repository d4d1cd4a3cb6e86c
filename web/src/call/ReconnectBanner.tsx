import { WifiOff } from 'lucide-react';
import { Spinner } from '../components/Spinner';

/** What is gone: the server's word during a call, sound and picture, or the chat's connection. */
export type Lost = 'signaling' | 'media' | 'chat';

const WORDS: Record<Lost, string> = {
  signaling: 'Reconnecting to the server. Sound and picture go on.',
  media: 'Connection lost. Bringing sound and picture back…',
  chat: 'Reconnecting. What you write is sent afterwards.',
};

/** Says that something is being mended, and what still works meanwhile. */
export function ReconnectBanner({ lost }: { lost: Lost }) {
  return (
    <div
      role="status"
      data-testid="reconnect-banner"
      data-lost={lost}
      className="rise flex shrink-0 items-center justify-center gap-2.5 bg-warn-soft px-4 py-2 text-sm font-medium text-warn-text"
    >
      <WifiOff aria-hidden="true" className="size-4 shrink-0" />
      {WORDS[lost]}
      <Spinner className="shrink-0" />
    </div>
  );
}

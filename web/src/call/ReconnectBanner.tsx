import { WifiOff } from 'lucide-react';
import { Spinner } from '../components/Spinner';

interface ReconnectBannerProps {
  /** What is gone: the server's word, or sound and picture too. */
  lost: 'signaling' | 'media';
}

/** Says that something is being mended, and what still works meanwhile. */
export function ReconnectBanner({ lost }: ReconnectBannerProps) {
  return (
    <div
      role="status"
      data-testid="reconnect-banner"
      data-lost={lost}
      className="rise flex items-center justify-center gap-2.5 bg-warn-soft px-4 py-2 text-sm font-medium text-warn-text"
    >
      <WifiOff aria-hidden="true" className="size-4" />
      {lost === 'media'
        ? 'Connection lost. Bringing sound and picture back…'
        : 'Reconnecting to the server. Sound and picture go on.'}
      <Spinner />
    </div>
  );
}

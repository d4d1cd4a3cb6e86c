import { ReconnectBanner } from '../call/ReconnectBanner';
import { client } from '../client';
import { Button } from '../components/Button';
import { Notice } from '../components/Notice';
import { toastError } from '../components/toastStore';
import { useRevision } from '../hooks/useRevision';

/** Says when the chat is not live. Nothing to see while it is. */
export function ConnectionBar() {
  useRevision(client);

  switch (client.connection) {
    case 'reconnecting':
      return <ReconnectBanner lost="chat" />;
    case 'closed':
      return (
        <Notice
          tone="warn"
          title="This page is no longer connected."
          className="shrink-0 items-center rounded-none"
          action={
            <Button size="sm" onClick={() => client.connect().catch(toastError)}>
              Connect
            </Button>
          }
        >
          It may be open in too many tabs.
        </Notice>
      );
    case 'idle':
    case 'connecting':
    case 'connected':
      return null;
  }
}

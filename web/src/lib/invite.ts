import type { InviteLink } from '../call/InvitePopover';
import { client } from '../client';
import { hrefOf } from './router';

/** Makes an invite to a room and says where it leads. */
export async function inviteLink(room: string): Promise<InviteLink> {
  const invite = await client.api.createInvite(room);
  const path = hrefOf({ page: 'invite', code: invite.code });
  return {
    url: new URL(path, window.location.origin).href,
    expiresAt: new Date(invite.expires_at),
  };
}

import type { UserInfo } from 'confer-sdk';
import { useEffect, useState } from 'react';
import { client } from '../client';

/** The address of the account, which only its owner may see. Guests have none. */
export function useEmail(user: UserInfo): string | undefined {
  const [email, setEmail] = useState<{ of: string; address: string | null }>();

  useEffect(() => {
    if (user.guest) return;
    let current = true;
    client.auth.me().then(
      (me) => {
        if (current) setEmail({ of: me.user.id, address: me.email });
      },
      // Shown for orientation only: without it there is the name.
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [user.guest]);

  return email?.of === user.id ? (email.address ?? undefined) : undefined;
}

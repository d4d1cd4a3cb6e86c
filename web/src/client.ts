import { ConferClient } from 'confer-sdk';

/** The one client of this page: it owns the login and the socket. */
export const client = new ConferClient({ url: '' });

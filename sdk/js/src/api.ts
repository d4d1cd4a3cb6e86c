/** The HTTP routes under `/v1`, one method each. */

import type { Http, HttpRequest, TokenSource } from './http.js';
import type {
  Conversation,
  ConversationId,
  CreateInviteRequest,
  EventPage,
  EventSeq,
  Invite,
  InvitePreview,
  RoomId,
  RoomInfo,
  RoomList,
  RoomSummary,
} from './protocol.gen.js';

/** What can be asked over HTTP. */
export class Api {
  readonly #http: Http;
  readonly #tokens: TokenSource;

  constructor(http: Http, tokens: TokenSource) {
    this.#http = http;
    this.#tokens = tokens;
  }

  /** The rooms this user is a member of. */
  async rooms(): Promise<RoomSummary[]> {
    return (await this.#get<RoomList>('/v1/rooms')).rooms;
  }

  /** Makes a room and its owner a member of it. */
  createRoom(name: string): Promise<RoomInfo> {
    return this.#send({ method: 'POST', path: '/v1/rooms', body: { name } });
  }

  /** One room. */
  room(room: RoomId): Promise<RoomSummary> {
    return this.#get(`/v1/rooms/${encodeURIComponent(room)}`);
  }

  /** Makes an invite link. Its code is shown this once. */
  createInvite(room: RoomId, limits: Partial<CreateInviteRequest> = {}): Promise<Invite> {
    return this.#send({
      method: 'POST',
      path: `/v1/rooms/${encodeURIComponent(room)}/invites`,
      body: limits,
    });
  }

  /** Where an invite leads, for somebody who has not signed in yet. */
  invitePreview(code: string): Promise<InvitePreview> {
    return this.#http.anonymous({ method: 'GET', path: `/v1/invites/${encodeURIComponent(code)}` });
  }

  /** Joins the room of an invite as the signed-in account. */
  acceptInvite(code: string): Promise<RoomInfo> {
    return this.#send({ method: 'POST', path: `/v1/invites/${encodeURIComponent(code)}/accept` });
  }

  /** Every conversation of this user. */
  async conversations(): Promise<Conversation[]> {
    return (await this.#get<{ conversations: Conversation[] }>('/v1/conversations')).conversations;
  }

  /** One conversation. */
  conversation(id: ConversationId): Promise<Conversation> {
    return this.#get(`/v1/conversations/${encodeURIComponent(id)}`);
  }

  /** The conversation with the account of this address, made if there is none. */
  openDirect(email: string): Promise<Conversation> {
    return this.#send({ method: 'POST', path: '/v1/conversations', body: { email } });
  }

  /** Durable changes of a conversation after a cursor. */
  events(conversation: ConversationId, after: EventSeq): Promise<EventPage> {
    return this.#get(`/v1/conversations/${encodeURIComponent(conversation)}/events?after=${after}`);
  }

  #get<T>(path: string): Promise<T> {
    return this.#send({ method: 'GET', path });
  }

  #send<T>(request: HttpRequest): Promise<T> {
    return this.#http.authorized(request, this.#tokens);
  }
}

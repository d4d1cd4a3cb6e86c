/** How far a message of one's own is. Messages of others have no status. */
export type MessageStatus = 'sending' | 'sent' | 'delivered' | 'read' | 'failed';

/** One message as the list shows it. */
export interface MessageView {
  /** The client's id of the message: the same before and after the server has it. */
  key: string;
  /** Missing until the server has numbered it. */
  seq?: number;
  sender: { id: string; name: string };
  own: boolean;
  body: string;
  at: Date;
  status?: MessageStatus;
  replyTo?: { seq: number; name: string; body: string };
}

/** What stands in the list, from top to bottom. */
export type ListItem =
  | { kind: 'day'; key: string; at: Date }
  | { kind: 'unread'; key: string; count: number }
  | { kind: 'group'; key: string; messages: [MessageView, ...MessageView[]] };

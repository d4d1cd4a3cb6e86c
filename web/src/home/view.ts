/** One place to go to from the list: a room, or a conversation with one person. */
export interface PlaceView {
  kind: 'room' | 'direct';
  id: string;
  /** Whose colour the picture has: the room, or the other person. */
  colourId: string;
  title: string;
  preview?: string | undefined;
  lastAt?: Date | undefined;
  unread: number;
  inCall: number;
}

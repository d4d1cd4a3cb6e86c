/** What one tile shows: somebody's camera, or a screen somebody shares. */
export interface TileView {
  /** Unique among the tiles: a participant can have a camera and a screen. */
  id: string;
  participant: string;
  userId: string;
  name: string;
  self: boolean;
  source: 'camera' | 'screen';
  /** Missing while the camera is off or the picture has not come yet. */
  video?: MediaStreamTrack | undefined;
  /** A picture is published, so one is to be expected. */
  hasVideo: boolean;
  micMuted: boolean;
  speaking: boolean;
  away: boolean;
}

/** One line of the participant list. */
export interface PersonView {
  participant: string;
  userId: string;
  name: string;
  guest: boolean;
  self: boolean;
  micMuted: boolean;
  cameraOff: boolean;
  sharing: boolean;
  speaking: boolean;
  away: boolean;
}

export type PanelName = 'chat' | 'people';

import type { RemotePublication, Room } from 'confer-sdk';
import { useEffect, useRef } from 'react';
import { client } from '../client';
import { play } from '../lib/playback';

interface AudioPlayersProps {
  room: Room;
  /** The loudspeaker to use; the system's when there is none. */
  speaker: string | undefined;
}

/** Everybody's sound. It goes on whoever has a tile, so it is not part of the tiles. */
export function AudioPlayers({ room, speaker }: AudioPlayersProps) {
  const audible = [...room.participants.values()].flatMap((participant) =>
    [...participant.publications.values()].filter(isAudible),
  );

  return (
    <div hidden data-testid="audio">
      {audible.map((publication) => (
        <AudioPlayer key={publication.id} track={publication.track} speaker={speaker} />
      ))}
    </div>
  );
}

type Audible = RemotePublication & { readonly track: MediaStreamTrack };

function isAudible(publication: RemotePublication): publication is Audible {
  return publication.kind === 'audio' && publication.track !== undefined;
}

function AudioPlayer({ track, speaker }: { track: MediaStreamTrack; speaker: string | undefined }) {
  const element = useRef<HTMLAudioElement>(null);

  useEffect(() => {
    const audio = element.current;
    return audio === null ? undefined : play(audio, client.devices.stream([track]));
  }, [track]);

  useEffect(() => {
    if (element.current === null || !('setSinkId' in element.current)) return;
    // A loudspeaker that is gone by now leaves the sound where it was.
    element.current.setSinkId(speaker ?? '').catch(() => undefined);
  }, [speaker]);

  // biome-ignore lint/a11y/useMediaCaption: live speech of a call has no captions
  return <audio ref={element} autoPlay />;
}

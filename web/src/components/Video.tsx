import { useLayoutEffect, useRef } from 'react';
import { client } from '../client';
import { cx } from '../lib/cx';
import { play } from '../lib/playback';

interface VideoProps {
  track: MediaStreamTrack;
  label: string;
  mirrored?: boolean;
  /** Show all of it, even if that leaves bars: for screens. */
  whole?: boolean;
  className?: string;
}

/** A picture without its sound. */
export function Video({ track, label, mirrored = false, whole = false, className }: VideoProps) {
  const element = useRef<HTMLVideoElement>(null);

  useLayoutEffect(() => {
    const video = element.current;
    return video === null ? undefined : play(video, client.devices.stream([track]));
  }, [track]);

  return (
    <video
      ref={element}
      muted
      playsInline
      autoPlay
      aria-label={label}
      disablePictureInPicture={false}
      className={cx(
        'size-full',
        whole ? 'object-contain' : 'object-cover',
        mirrored && '-scale-x-100',
        className,
      )}
    />
  );
}

import { cx } from '../lib/cx';
import { colourOf, initials } from '../lib/person';

const SIZES = {
  sm: 'size-8 text-xs',
  md: 'size-10 text-sm',
  lg: 'size-14 text-lg',
} as const;

interface AvatarProps {
  id: string;
  name: string;
  size?: keyof typeof SIZES;
  /** A rounded square, for rooms. */
  square?: boolean;
  className?: string;
}

/** Letters in a colour that belongs to somebody. Always beside the name, so hidden from readers. */
export function Avatar({ id, name, size = 'md', square = false, className }: AvatarProps) {
  return (
    <span
      aria-hidden="true"
      className={cx(
        `avatar-${colourOf(id)}`,
        'inline-flex shrink-0 items-center justify-center bg-(--avatar) font-semibold tracking-wide text-white select-none',
        square ? 'rounded-control' : 'rounded-full',
        SIZES[size],
        className,
      )}
    >
      {initials(name)}
    </span>
  );
}

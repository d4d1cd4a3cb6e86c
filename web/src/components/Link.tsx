import type { ComponentProps, MouseEvent } from 'react';
import { hrefOf, navigate, type Place } from '../lib/router';

interface LinkProps extends Omit<ComponentProps<'a'>, 'href'> {
  to: Place;
}

/** A real link, so that it can be opened in a new tab; a plain click stays in the page. */
export function Link({ to, onClick, ...rest }: LinkProps) {
  function follow(event: MouseEvent<HTMLAnchorElement>) {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (event.defaultPrevented || !plain || event.altKey) return;
    event.preventDefault();
    navigate(to);
  }

  return <a {...rest} href={hrefOf(to)} onClick={follow} />;
}

import { hasCode } from 'confer-sdk';

export type Device = 'camera' | 'microphone';

/** Why a camera or microphone could not be had, and what to do about it. */
export interface MediaProblem {
  title: string;
  hint: string;
  /** Asking again could help, without anything being plugged in or opened elsewhere. */
  retry: boolean;
}

export function describeMediaProblem(error: unknown, device: Device): MediaProblem {
  if (hasCode(error, 'media_unsupported')) {
    return {
      title: `This page may not use your ${device}`,
      hint: 'Browsers allow it over https, or on this very computer. Open the https address of this server, in a current browser.',
      retry: false,
    };
  }
  if (hasCode(error, 'media_denied')) {
    return {
      title: `Your ${device} is blocked`,
      hint: `Open the site settings beside the address, allow the ${device}, then try again.`,
      retry: true,
    };
  }
  if (hasCode(error, 'media_not_found')) {
    return {
      title: `No ${device} found`,
      hint: 'Plug one in, then try again. The call works without it, too.',
      retry: true,
    };
  }
  if (hasCode(error, 'media_in_use')) {
    return {
      title: `Your ${device} is in use`,
      hint: 'Close other apps or tabs that use it, then try again.',
      retry: true,
    };
  }
  return {
    title: `Your ${device} could not be started`,
    hint: `Choose another ${device}, or try again.`,
    retry: true,
  };
}

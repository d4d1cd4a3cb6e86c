import type { Choice } from '../components/Select';
import type { MediaProblem } from '../lib/mediaErrors';

/** One device as the preview shows it. */
export interface DeviceView {
  on: boolean;
  starting: boolean;
  track?: MediaStreamTrack | undefined;
  problem?: MediaProblem | undefined;
  choices: readonly Choice[];
  chosen?: string | undefined;
  toggle: () => void;
  choose: (id: string) => void;
}

/**
 * Shows or sounds a stream in an element, until the returned function is called.
 *
 * A page that has not been touched yet may not make sound; the first touch or key then starts what
 * was held back.
 */
export function play(element: HTMLMediaElement, stream: MediaStream): () => void {
  let ended = false;
  const start = () => {
    element.play().catch(() => {
      if (!ended) whenTouched(start);
    });
  };

  element.srcObject = stream;
  start();
  return () => {
    ended = true;
    element.srcObject = null;
  };
}

function whenTouched(action: () => void): void {
  const once = () => {
    document.removeEventListener('pointerdown', once);
    document.removeEventListener('keydown', once);
    action();
  };
  document.addEventListener('pointerdown', once);
  document.addEventListener('keydown', once);
}

import { Compass } from 'lucide-react';
import type { ReactNode } from 'react';
import { buttonClass } from './Button';
import { EmptyState } from './EmptyState';
import { Link } from './Link';

interface NotFoundProps {
  title?: string;
  hint?: string;
  /** What else can be done, beside going back. */
  action?: ReactNode;
}

/** An address that leads nowhere, and the way back. */
export function NotFound({
  title = 'There is nothing here',
  hint = 'The address may be mistyped, or what was here is gone.',
  action,
}: NotFoundProps) {
  return (
    <div data-testid="not-found" className="flex h-full min-h-80 items-center justify-center">
      <EmptyState
        art={<Compass aria-hidden="true" strokeWidth={1.25} className="size-16 text-accent-text" />}
        title={title}
        heading="h1"
        action={
          <>
            <Link to={{ page: 'home' }} className={buttonClass('primary')}>
              To the start
            </Link>
            {action}
          </>
        }
      >
        {hint}
      </EmptyState>
    </div>
  );
}

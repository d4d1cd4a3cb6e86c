import type { ReactNode } from 'react';

interface EmptyStateProps {
  art?: ReactNode;
  title: string;
  /** `h1` where it is all there is on the page. */
  heading?: 'h1' | 'h2';
  children?: ReactNode;
  action?: ReactNode;
}

/** What stands where there is nothing yet, and how to change that. */
export function EmptyState({
  art,
  title,
  heading: Heading = 'h2',
  children,
  action,
}: EmptyStateProps) {
  return (
    <div className="mx-auto flex max-w-sm flex-col items-center gap-3 px-6 py-10 text-center">
      {art}
      <Heading className="text-lg font-semibold tracking-tight">{title}</Heading>
      {children === undefined ? null : <div className="text-balance text-ink-2">{children}</div>}
      {action === undefined ? null : (
        <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>
      )}
    </div>
  );
}

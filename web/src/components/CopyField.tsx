import { Check, Copy } from 'lucide-react';
import { useRef, useState } from 'react';
import { announce } from './Announcer';
import { Button } from './Button';

/** Something to copy, and the button that does it. */
export function CopyField({ label, value }: { label: string; value: string }) {
  const [copied, setCopied] = useState(false);
  const input = useRef<HTMLInputElement>(null);

  async function copy() {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      // Without a secure context there is no clipboard; the selected text can be copied by hand.
      if (!document.execCommand('copy')) return;
    }
    setCopied(true);
    announce('Copied');
  }

  return (
    <div className="flex gap-2">
      <input
        ref={input}
        readOnly
        aria-label={label}
        data-testid="invite-link"
        value={value}
        onFocus={(event) => event.target.select()}
        className="h-10 min-w-0 flex-1 rounded-control border border-line bg-sunken px-3 text-sm text-ink-2"
      />
      <Button
        variant="primary"
        data-testid="invite-copy"
        data-copied={copied || undefined}
        onClick={copy}
        icon={
          copied ? (
            <Check aria-hidden="true" className="size-4" />
          ) : (
            <Copy aria-hidden="true" className="size-4" />
          )
        }
      >
        {copied ? 'Copied' : 'Copy'}
      </Button>
    </div>
  );
}

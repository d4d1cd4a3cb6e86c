import { Dialog } from '../components/Dialog';

const SHORTCUTS = [
  ['M', 'Turn the microphone on or off'],
  ['V', 'Turn the camera on or off'],
  ['C', 'Open or close the chat'],
  ['P', 'Open or close the list of people'],
  ['?', 'Show these shortcuts'],
  ['Enter', 'Send the message'],
  ['Shift + Enter', 'Begin a new line'],
  ['Esc', 'Close what is open'],
] as const;

interface ShortcutsDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function ShortcutsDialog({ open, onOpenChange }: ShortcutsDialogProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Keyboard shortcuts"
      description="Single letters work in a call, unless you are writing."
    >
      <dl className="flex flex-col divide-y divide-line">
        {SHORTCUTS.map(([keys, meaning]) => (
          <div key={keys} className="flex items-center justify-between gap-4 py-2.5">
            <dt className="order-2 shrink-0">
              <kbd className="rounded-md border border-line bg-sunken px-2 py-1 font-sans text-xs font-semibold">
                {keys}
              </kbd>
            </dt>
            <dd className="text-ink-2">{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

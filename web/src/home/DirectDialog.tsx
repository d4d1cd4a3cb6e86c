import { type FormEvent, useState } from 'react';
import { Button } from '../components/Button';
import { Dialog } from '../components/Dialog';
import { TextField } from '../components/TextField';
import { DIRECT_WORDING, explain } from '../lib/errors';

interface DirectDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onOpen: (email: string) => Promise<void>;
}

export function DirectDialog({ open, onOpenChange, onOpen }: DirectDialogProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Write to somebody"
      description="Enter the email they registered with on this server."
    >
      <DirectForm onOpen={onOpen} />
    </Dialog>
  );
}

function DirectForm({ onOpen }: { onOpen: (email: string) => Promise<void> }) {
  const [email, setEmail] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!/^\S+@\S+$/u.test(email.trim())) {
      setProblem('Enter an email address.');
      return;
    }
    setBusy(true);
    try {
      await onOpen(email.trim());
    } catch (error) {
      const { title, hint } = explain(error, DIRECT_WORDING);
      setProblem(`${title}. ${hint}`);
      setBusy(false);
    }
  }

  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Email"
        type="email"
        autoFocus
        autoComplete="off"
        data-testid="direct-email"
        value={email}
        problem={problem}
        onChange={(event) => setEmail(event.target.value)}
      />
      <Button type="submit" variant="primary" size="lg" busy={busy} data-testid="direct-submit">
        Open conversation
      </Button>
    </form>
  );
}

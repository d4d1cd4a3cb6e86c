import { type FormEvent, useState } from 'react';
import { Button } from '../components/Button';
import { Dialog } from '../components/Dialog';
import { Notice } from '../components/Notice';
import { TextField } from '../components/TextField';
import { type Explanation, explain, ROOM_FIELDS } from '../lib/errors';

interface CreateRoomDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onCreate: (name: string) => Promise<void>;
}

/** The longest name the server takes. */
const NAME_LENGTH = 80;

export function CreateRoomDialog({ open, onOpenChange, onCreate }: CreateRoomDialogProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="New room"
      description="A place to call and write. You can invite people once it is there."
    >
      <CreateRoomForm onCreate={onCreate} />
    </Dialog>
  );
}

function CreateRoomForm({ onCreate }: { onCreate: (name: string) => Promise<void> }) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Explanation>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim() === '') {
      setProblem({ title: '', hint: '', fields: { name: 'Give the room a name.' } });
      return;
    }
    setBusy(true);
    try {
      await onCreate(name.trim());
    } catch (error) {
      setProblem(explain(error, {}, ROOM_FIELDS));
      setBusy(false);
    }
  }

  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      {problem !== undefined && problem.title !== '' ? (
        <Notice tone="danger" title={problem.title}>
          {problem.hint}
        </Notice>
      ) : null}
      <TextField
        label="Name"
        autoFocus
        maxLength={NAME_LENGTH}
        autoComplete="off"
        placeholder="Weekly plan"
        data-testid="room-name"
        value={name}
        problem={problem?.fields.name}
        onChange={(event) => setName(event.target.value)}
      />
      <Button
        type="submit"
        variant="primary"
        size="lg"
        busy={busy}
        data-testid="create-room-submit"
      >
        Create room
      </Button>
    </form>
  );
}

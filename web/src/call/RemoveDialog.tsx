import { Button } from '../components/Button';
import { Dialog } from '../components/Dialog';
import type { PersonView } from './view';

interface RemoveDialogProps {
  person: PersonView | undefined;
  onClose: () => void;
  onRemove: (person: PersonView) => void;
}

/** Asks before somebody is put out of the call. */
export function RemoveDialog({ person, onClose, onRemove }: RemoveDialogProps) {
  return (
    <Dialog
      open={person !== undefined}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={`Remove ${person?.name ?? ''}?`}
      description="They leave the call at once. With the invite link they can come back."
    >
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          variant="danger"
          data-testid="remove-confirm"
          onClick={() => {
            if (person !== undefined) onRemove(person);
          }}
        >
          Remove
        </Button>
      </div>
    </Dialog>
  );
}

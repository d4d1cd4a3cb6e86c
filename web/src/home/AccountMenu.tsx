import { Keyboard, LogOut } from 'lucide-react';
import { Avatar } from '../components/Avatar';
import { Menu, MenuItem, MenuLabel, MenuSeparator } from '../components/Menu';
import { ThemeToggle } from '../components/ThemeToggle';

interface AccountMenuProps {
  user: { id: string; name: string; guest: boolean };
  email?: string | undefined;
  onShortcuts: () => void;
  onLogout: () => void;
}

export function AccountMenu({ user, email, onShortcuts, onLogout }: AccountMenuProps) {
  return (
    <>
      <Menu
        align="start"
        trigger={
          <button
            type="button"
            data-testid="account-menu"
            className="press flex min-w-0 flex-1 items-center gap-3 rounded-control p-2 text-left hover:bg-hover"
          >
            <Avatar id={user.id} name={user.name} size="sm" />
            <span className="min-w-0 flex-1">
              <span className="block truncate text-sm leading-tight font-medium">{user.name}</span>
              <span className="block truncate text-xs text-ink-3">
                {user.guest ? 'Guest' : (email ?? 'Account')}
              </span>
            </span>
          </button>
        }
      >
        <MenuLabel>
          Signed in as <span className="font-semibold text-ink">{user.name}</span>
        </MenuLabel>
        <MenuSeparator />
        <MenuItem
          icon={<Keyboard aria-hidden="true" className="size-4.5" />}
          onSelect={onShortcuts}
        >
          Keyboard shortcuts
        </MenuItem>
        <MenuItem
          danger
          icon={<LogOut aria-hidden="true" className="size-4.5" />}
          onSelect={onLogout}
          data-testid="logout"
        >
          Log out
        </MenuItem>
      </Menu>
      <ThemeToggle />
    </>
  );
}

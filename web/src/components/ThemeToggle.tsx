import { Monitor, Moon, Sun } from 'lucide-react';
import { setTheme, type Theme, useTheme } from '../hooks/useTheme';
import { IconButton } from './IconButton';

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const NAMES: Record<Theme, string> = { system: 'as the system', light: 'light', dark: 'dark' };
const ICONS = { system: Monitor, light: Sun, dark: Moon } as const;

/** Goes round: as the system, light, dark. */
export function ThemeToggle({ className }: { className?: string }) {
  const theme = useTheme();
  const Icon = ICONS[theme];

  return (
    <IconButton
      label={`Theme: ${NAMES[theme]}. Switch to ${NAMES[NEXT[theme]]}`}
      data-testid="theme-toggle"
      data-theme-choice={theme}
      onClick={() => setTheme(NEXT[theme])}
      {...(className === undefined ? {} : { className })}
    >
      <Icon aria-hidden="true" className="size-5" />
    </IconButton>
  );
}

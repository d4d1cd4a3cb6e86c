import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useShortcuts } from '../hooks/useShortcuts';
import { Providers } from '../Providers';
import { ControlBar } from './ControlBar';
import { PeoplePanel } from './PeoplePanel';
import { Stage } from './Stage';
import type { PersonView, TileView } from './view';

/** Nothing has a size in a test; the grid needs one. */
beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(1200);
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(700);
});

afterEach(() => {
  vi.restoreAllMocks();
});

function tile(name: string, more: Partial<TileView> = {}): TileView {
  return {
    id: name,
    participant: name,
    userId: name,
    name,
    self: false,
    source: 'camera',
    hasVideo: false,
    micMuted: false,
    speaking: false,
    away: false,
    ...more,
  };
}

const screenOf = (name: string) => tile(name, { id: `${name}:screen`, source: 'screen' });

function show(tiles: TileView[], onShown = vi.fn()) {
  render(<Stage tiles={tiles} recent={[]} onShown={onShown} />, { wrapper: Providers });
  return onShown;
}

describe('the pictures of a call', () => {
  it('say in words what they show', () => {
    show([
      tile('Alice', { self: true }),
      tile('Bob', { micMuted: true, away: true, hasVideo: true }),
    ]);
    expect(screen.getByLabelText('Alice (you), camera off')).toBeTruthy();
    expect(screen.getByLabelText('Bob, microphone off, reconnecting')).toBeTruthy();
  });

  it('put a shared screen in front, and back when asked', async () => {
    show([tile('Alice', { self: true }), tile('Bob'), screenOf('Bob')]);
    expect(screen.getByTestId('stage')).toBeTruthy();
    await userEvent.click(screen.getByLabelText('Back to the grid'));
    expect(screen.getByTestId('tile-grid').querySelectorAll('[data-testid=tile]')).toHaveLength(3);
  });

  it('do not put one’s own screen in front of oneself', () => {
    show([tile('Alice', { self: true }), tile('Bob'), { ...screenOf('Alice'), self: true }]);
    expect(screen.queryByTestId('stage')).toBeNull();
  });

  it('show somebody large when asked', async () => {
    show([tile('Alice', { self: true }), tile('Bob')]);
    await userEvent.click(screen.getByLabelText('Show Bob large'));
    expect(screen.getByTestId('stage').firstElementChild?.getAttribute('data-participant')).toBe(
      'Bob',
    );
  });

  it('are summed up when there are too many, and tell which are shown', () => {
    const everybody = Array.from({ length: 40 }, (_, index) => tile(`p${index}`));
    const onShown = show(everybody);
    const shown = screen.getAllByTestId('tile').length;
    expect(shown).toBeLessThan(40);
    expect(screen.getByText(`+${40 - shown}`)).toBeTruthy();
    expect(onShown.mock.lastCall?.[0]).toHaveLength(shown);
  });
});

describe('the controls', () => {
  const device = { on: true, possible: true, toggle: vi.fn() };

  function controls(more: Partial<Parameters<typeof ControlBar>[0]> = {}) {
    render(
      <ControlBar
        mic={device}
        camera={{ ...device, on: false }}
        share={{ ...device, on: false }}
        panel={undefined}
        onPanel={vi.fn()}
        unread={2}
        people={3}
        onSettings={vi.fn()}
        onShortcuts={vi.fn()}
        onLeave={vi.fn()}
        {...more}
      />,
      { wrapper: Providers },
    );
  }

  it('say what pressing them will do', () => {
    controls();
    expect(screen.getByTestId('mic-button').getAttribute('aria-label')).toBe('Turn microphone off');
    expect(screen.getByTestId('camera-button').getAttribute('aria-label')).toBe('Turn camera on');
    expect(screen.getByTestId('camera-button').dataset.off).toBe('true');
  });

  it('count what is unread while the chat is closed, and not while it is open', () => {
    controls();
    expect(screen.getByTestId('unread-badge').textContent).toBe('2 unread');
  });

  it('show no badge on the open chat', () => {
    controls({ panel: 'chat' });
    expect(screen.queryByTestId('unread-badge')).toBeNull();
  });

  it('leave out sharing where there is no such thing', () => {
    controls({ share: { ...device, possible: false } });
    expect(screen.queryByTestId('share-button')).toBeNull();
  });

  it('do not offer what one may not do', () => {
    controls({ mic: { on: false, possible: false, toggle: vi.fn() } });
    expect((screen.getByTestId('mic-button') as HTMLButtonElement).disabled).toBe(true);
  });
});

describe('the list of people', () => {
  const person = (name: string, self = false): PersonView => ({
    participant: name,
    userId: name,
    name,
    guest: false,
    self,
    micMuted: false,
    cameraOff: false,
    sharing: false,
    speaking: false,
    away: false,
  });
  const both = [person('Alice', true), person('Bob')];

  it('lets moderators remove others, but not themselves', async () => {
    const onRemove = vi.fn();
    render(<PeoplePanel people={both} canRemove onRemove={onRemove} />, { wrapper: Providers });
    const buttons = screen.getAllByTestId('remove-person');
    expect(buttons).toHaveLength(1);
    await userEvent.click(buttons[0] as HTMLElement);
    expect(onRemove).toHaveBeenCalledWith(expect.objectContaining({ name: 'Bob' }));
  });

  it('offers nobody else to remove anybody', () => {
    render(<PeoplePanel people={both} canRemove={false} onRemove={vi.fn()} />, {
      wrapper: Providers,
    });
    expect(screen.queryByTestId('remove-person')).toBeNull();
  });
});

function Page({ onMute }: { onMute: () => void }) {
  useShortcuts({ m: onMute });
  return <input aria-label="field" />;
}

describe('shortcuts', () => {
  it('work anywhere but where somebody writes', async () => {
    const onMute = vi.fn();
    render(<Page onMute={onMute} />);
    await userEvent.keyboard('m');
    expect(onMute).toHaveBeenCalledTimes(1);
    await userEvent.type(screen.getByLabelText('field'), 'mm');
    expect(onMute).toHaveBeenCalledTimes(1);
  });

  it('leave the browser’s own combinations alone', async () => {
    const onMute = vi.fn();
    render(<Page onMute={onMute} />);
    await userEvent.keyboard('{Control>}m{/Control}');
    expect(onMute).not.toHaveBeenCalled();
  });
});

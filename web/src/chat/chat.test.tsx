import { render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { Composer, MOST_CHARACTERS } from './Composer';
import { MessageList } from './MessageList';
import { STATUS_TEXT } from './statusText';
import type { MessageStatus, MessageView } from './view';

function own(status: MessageStatus): MessageView {
  const pending = status === 'sending' || status === 'failed';
  return {
    key: status,
    ...(pending ? {} : { seq: 1 }),
    sender: { id: 'me', name: 'Me' },
    own: true,
    body: 'hello',
    at: new Date(2026, 10, 21),
    status,
  };
}

function list(messages: MessageView[], onRetry = vi.fn()) {
  render(
    <MessageList
      title="Plan"
      messages={messages}
      loading={false}
      hasOlder={false}
      loadOlder={() => Promise.resolve()}
      onRetry={onRetry}
    />,
  );
  return onRetry;
}

describe('a message of one’s own', () => {
  it.each(['sending', 'sent', 'delivered', 'read', 'failed'] as const)(
    'says in words that it is %s',
    (status) => {
      list([own(status)]);
      const message = screen.getByTestId('chat-message');
      expect(message.dataset.status).toBe(status);
      expect(within(message).getByText(STATUS_TEXT[status])).toBeTruthy();
    },
  );

  it('can be sent again when it failed, and only then', async () => {
    const retry = list([own('failed')]);
    await userEvent.click(screen.getByTestId('chat-retry'));
    expect(retry).toHaveBeenCalledOnce();
  });

  it('shows no tick for what others wrote', () => {
    const { status: _, ...theirs } = { ...own('sent'), own: false };
    list([theirs]);
    expect(screen.getByTestId('chat-message').dataset.status).toBeUndefined();
    expect(screen.queryByText(STATUS_TEXT.sent)).toBeNull();
  });

  it('is told apart from an empty conversation', () => {
    list([]);
    expect(screen.getByText('This is the start of Plan')).toBeTruthy();
  });
});

describe('the composer', () => {
  function compose(replyTo?: MessageView) {
    const onSend = vi.fn();
    const onTyping = vi.fn();
    const onCancelReply = vi.fn();
    render(
      <Composer
        placeholder="Message Plan"
        replyTo={replyTo}
        onCancelReply={onCancelReply}
        onSend={onSend}
        onTyping={onTyping}
      />,
    );
    const input = screen.getByTestId('chat-input') as HTMLTextAreaElement;
    return { onSend, onTyping, onCancelReply, input };
  }

  it('sends with Enter and is empty again', async () => {
    const { onSend, onTyping, input } = compose();
    await userEvent.type(input, '  hello there {Enter}');
    expect(onSend).toHaveBeenCalledExactlyOnceWith('hello there');
    expect(input.value).toBe('');
    expect(onTyping).toHaveBeenCalled();
  });

  it('begins a new line with Shift and Enter', async () => {
    const { onSend, input } = compose();
    await userEvent.type(input, 'one{Shift>}{Enter}{/Shift}two');
    expect(onSend).not.toHaveBeenCalled();
    expect(input.value).toBe('one\ntwo');
  });

  it('sends nothing when there is nothing but space', async () => {
    const { onSend, input } = compose();
    await userEvent.type(input, '   {Enter}');
    expect(onSend).not.toHaveBeenCalled();
    expect((screen.getByTestId('chat-send') as HTMLButtonElement).disabled).toBe(true);
  });

  it('refuses what is too long, and says by how much', async () => {
    const { onSend, input } = compose();
    await userEvent.click(input);
    await userEvent.paste('x'.repeat(MOST_CHARACTERS + 3));
    await userEvent.keyboard('{Enter}');
    expect(onSend).not.toHaveBeenCalled();
    expect(screen.getByText('3 characters too long')).toBeTruthy();
  });

  it('gives a reply up with Escape', async () => {
    const { onCancelReply, input } = compose(own('read'));
    await userEvent.type(input, '{Escape}');
    expect(onCancelReply).toHaveBeenCalledOnce();
  });
});

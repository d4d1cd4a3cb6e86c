import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { ConferError } from 'confer-sdk';
import { describe, expect, it, vi } from 'vitest';
import { AuthForm } from './AuthForm';

async function fill(values: { name?: string; email: string; password: string }) {
  if (values.name !== undefined) {
    await userEvent.type(screen.getByTestId('auth-name'), values.name);
  }
  await userEvent.type(screen.getByTestId('auth-email'), values.email);
  await userEvent.type(screen.getByTestId('auth-password'), values.password);
  await userEvent.click(screen.getByTestId('auth-submit'));
}

describe('registering', () => {
  it('sends what was entered, without the space around it', async () => {
    const submit = vi.fn(() => Promise.resolve());
    render(<AuthForm mode="register" onSubmit={submit} />);
    await fill({ name: ' Alice ', email: 'alice@example.org', password: 'long enough' });
    expect(submit).toHaveBeenCalledExactlyOnceWith({
      name: 'Alice',
      email: 'alice@example.org',
      password: 'long enough',
    });
  });

  it('does not trouble the server with what is plainly wrong', async () => {
    const submit = vi.fn(() => Promise.resolve());
    render(<AuthForm mode="register" onSubmit={submit} />);
    await fill({ name: 'Alice', email: 'alice', password: 'short' });
    expect(submit).not.toHaveBeenCalled();
    expect(screen.getByText('Enter your email address.')).toBeTruthy();
    expect(screen.getByTestId('auth-password').getAttribute('aria-invalid')).toBe('true');
  });
});

describe('registering again', () => {
  it('says at the address that it has an account, and goes there', async () => {
    const refusal = new ConferError('conflict', 'no', { fields: { email: 'has an account' } });
    render(<AuthForm mode="register" onSubmit={() => Promise.reject(refusal)} />);
    await fill({ name: 'Alice', email: 'alice@example.org', password: 'long enough' });
    expect(await screen.findByText(/has an account already\. Log in instead/u)).toBeTruthy();
    expect(document.activeElement).toBe(screen.getByTestId('auth-email'));
  });
});

describe('logging in', () => {
  it('says what to do when the server refuses', async () => {
    const refusal = new ConferError('unauthenticated', 'no');
    render(<AuthForm mode="login" onSubmit={() => Promise.reject(refusal)} />);
    await fill({ email: 'alice@example.org', password: 'whatever' });
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('Email or password is wrong');
  });

  it('puts the server’s word on a field beside that field', async () => {
    const refusal = new ConferError('invalid', 'no', { fields: { email: 'is an address' } });
    render(<AuthForm mode="login" onSubmit={() => Promise.reject(refusal)} />);
    await fill({ email: 'alice@example.org', password: 'whatever' });
    expect(await screen.findByText('Enter an address like name@example.org.')).toBeTruthy();
    expect(screen.queryByRole('alert')).toBeNull();
  });
});

import { hasCode } from 'confer-sdk';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Button } from '../components/Button';
import { Notice } from '../components/Notice';
import { TextField } from '../components/TextField';
import {
  ACCOUNT_FIELDS,
  type Explanation,
  explain,
  LOGIN_WORDING,
  REGISTER_WORDING,
} from '../lib/errors';

export interface Credentials {
  email: string;
  password: string;
  name: string;
}

interface AuthFormProps {
  mode: 'login' | 'register';
  onSubmit: (credentials: Credentials) => Promise<void>;
}

/** The shortest password the server takes. */
const PASSWORD_LENGTH = 10;

/** Logs in or registers; the two differ in a name and in words. */
export function AuthForm({ mode, onSubmit }: AuthFormProps) {
  const [values, setValues] = useState<Credentials>({ email: '', password: '', name: '' });
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Explanation>();
  const registering = mode === 'register';
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    // Whoever cannot see the red words hears them, and everybody can correct at once.
    if (problem !== undefined) {
      form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
    }
  }, [problem]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const local = check(values, registering);
    setProblem(local);
    if (local !== undefined) return;

    setBusy(true);
    try {
      await onSubmit({ ...values, email: values.email.trim(), name: values.name.trim() });
    } catch (error) {
      setProblem(refusal(error, registering));
      setBusy(false);
    }
  }

  function field(name: keyof Credentials) {
    return {
      value: values[name],
      problem: problem?.fields[name],
      onChange: (event: { target: { value: string } }) =>
        setValues((known) => ({ ...known, [name]: event.target.value })),
    };
  }

  const general = problem !== undefined && Object.keys(problem.fields).length === 0;
  return (
    <form
      ref={form}
      noValidate
      onSubmit={submit}
      className="flex flex-col gap-4"
      data-testid={`${mode}-form`}
    >
      {general ? (
        <Notice tone="danger" title={problem.title}>
          {problem.hint}
        </Notice>
      ) : null}
      {registering ? (
        <TextField
          label="Your name"
          autoComplete="name"
          maxLength={64}
          data-testid="auth-name"
          help="What others see beside your messages and picture."
          {...field('name')}
        />
      ) : null}
      <TextField
        label="Email"
        type="email"
        inputMode="email"
        autoComplete="username"
        data-testid="auth-email"
        {...field('email')}
      />
      <TextField
        label="Password"
        type="password"
        autoComplete={registering ? 'new-password' : 'current-password'}
        data-testid="auth-password"
        help={registering ? `At least ${PASSWORD_LENGTH} characters.` : undefined}
        {...field('password')}
      />
      <Button
        type="submit"
        variant="primary"
        size="lg"
        busy={busy}
        data-testid="auth-submit"
        className="mt-1"
      >
        {registering ? 'Create account' : 'Log in'}
      </Button>
    </form>
  );
}

/** The server's word, beside the field that it is about. */
function refusal(error: unknown, registering: boolean): Explanation {
  const wording = registering ? REGISTER_WORDING : LOGIN_WORDING;
  const explanation = explain(error, wording, ACCOUNT_FIELDS);
  const { title, hint } = explanation;
  return hasCode(error, 'conflict')
    ? { ...explanation, fields: { email: `${title}. ${hint}` } }
    : explanation;
}

/** What can be said without asking the server. */
function check(values: Credentials, registering: boolean): Explanation | undefined {
  const fields: Record<string, string> = {};
  if (registering && values.name.trim() === '') fields.name = 'Enter the name others shall see.';
  if (!/^\S+@\S+$/u.test(values.email.trim())) fields.email = 'Enter your email address.';
  if (values.password === '') fields.password = 'Enter your password.';
  else if (registering && [...values.password].length < PASSWORD_LENGTH) {
    fields.password = `Use at least ${PASSWORD_LENGTH} characters.`;
  }
  return Object.keys(fields).length === 0
    ? undefined
    : { title: 'Check what you entered', hint: '', fields };
}

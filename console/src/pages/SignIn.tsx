import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { api } from '../api/clients';
import { setCsrfToken } from '../api/session';
import { demoSignInsQuery, queryClient } from '../app/queries';
import { safeReturn } from '../app/search';
import { ProblemNotice } from '../ui/atoms';
import { roleLabel } from '../ui/words';
import css from './SignIn.module.css';

const route = getRouteApi('/sign-in');

export function SignIn() {
  const search = route.useSearch();
  const router = useRouter();
  const demo = useQuery(demoSignInsQuery());
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState('');
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    document.title = 'Sign in – Bodega';
  }, []);

  const signIn = async (as: { email: string; password: string }) => {
    setBusy(as.email);
    setError(undefined);
    try {
      const { caller } = await api().identity.signIn(as);
      queryClient.clear();
      setCsrfToken(caller?.csrfToken ?? '');
      router.history.push(safeReturn(search.return));
    } catch (problem) {
      setError(problem);
      setBusy('');
    }
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void signIn({ email, password });
  };

  return (
    <main className={css.page}>
      <div className={css.column}>
        <div className={css.brand}>
          <svg width="40" height="40" viewBox="0 0 32 32" aria-hidden>
            <rect width="32" height="32" rx="7" fill="#3d4fc4" />
            <path d="M6 13.5 8.2 7h15.6l2.2 6.5a3.3 3.3 0 0 1-6.6 0 3.4 3.4 0 0 1-6.8 0 3.3 3.3 0 0 1-6.6 0Z" fill="#fff" />
            <path d="M8.5 18.5V25h15v-6.5" fill="none" stroke="#fff" strokeWidth="2.4" />
          </svg>
          <h1>Sign in to Bodega</h1>
          <p>The back office of a local-commerce marketplace.</p>
        </div>
        <form className={css.form} onSubmit={onSubmit}>
          {error !== undefined && <ProblemNotice error={error} />}
          <TextInput label="Email" type="email" autoComplete="username" required withAsterisk={false} size="md" value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            size="md"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the password', tabIndex: 0 }}
          />
          <Button type="submit" size="md" fullWidth loading={busy !== '' && busy === email} disabled={busy !== ''}>Sign in</Button>
        </form>
        {demo.data && demo.data.length > 0 && (
          <section className={css.demo} aria-labelledby="demo-heading">
            <h2 id="demo-heading">This server runs on demo data</h2>
            <p>Walk in as any of these people; each sees a different part.</p>
            <ul>
              {demo.data.map((person) => (
                <li key={person.email}>
                  <button type="button" className={css.person} disabled={busy !== ''} onClick={() => void signIn(person)}>
                    <span className={css.initials} aria-hidden>{initials(person.name)}</span>
                    <span className={css.personName}>
                      <strong>{person.name}</strong>
                      <span>{person.email}</span>
                    </span>
                    <span className={css.role}>{roleLabel(person.role)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </main>
  );
}

function initials(name: string): string {
  return name.split(/[^\p{L}]+/u).map((word) => word[0] ?? '').slice(0, 2).join('').toUpperCase();
}

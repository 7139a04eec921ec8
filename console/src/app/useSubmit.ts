import { useState, type FormEvent } from 'react';
import { idempotencyKey } from '../api/session';
import { queryClient } from './queries';

/** Runs a form's request once, and keeps its error beside the form. */
export function useSubmit(work: (key: string) => Promise<void>) {
  // The key outlives a failed attempt, so that trying again cannot do it twice.
  const [key] = useState(idempotencyKey);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await work(key);
      await queryClient.invalidateQueries();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, onSubmit: (event: FormEvent) => void onSubmit(event) };
}

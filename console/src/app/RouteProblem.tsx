import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { isUnreachable, probe } from '../api/problem';
import { ProblemNotice } from '../ui/atoms';
import { Notice, surface } from '../ui/surface';
import { toastProblem } from '../ui/toast';

/** Stands where a page would, when the page itself could not be opened. */
export function RouteProblem({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  return (
    <div style={{ padding: 24, maxWidth: 720, margin: '0 auto' }}>
      <h1 className="unseen">This page could not be opened</h1>
      <ProblemNotice
        error={error}
        retry={() => {
          if (!isUnreachable(error)) {
            reset();
            void router.invalidate();
            return;
          }
          // The page's code did not come: once the server answers, the window starts afresh where it was.
          probe().then(
            () => window.location.reload(),
            () => toastProblem(error),
          );
        }}
      />
    </div>
  );
}

export function NotFound() {
  return (
    <main style={{ padding: 24, maxWidth: 720, margin: '0 auto' }}>
      <Notice tone="quiet" title={<h1 style={{ font: 'inherit' }}>There is no such page</h1>} action={<Link to="/today" className={surface.linkButton}>Go to Today</Link>}>
        The address may be from an older version, or mistyped.
      </Notice>
    </main>
  );
}

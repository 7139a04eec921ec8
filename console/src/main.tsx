import './ui/mantine';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { makeRouter } from './app/router';
import { queryClient } from './app/queries';
import { setCsrfToken, whenSignedOut } from './api/session';

const router = makeRouter();

whenSignedOut(() => {
  const here = router.state.location;
  if (here.pathname === '/sign-in') return;
  setCsrfToken('');
  queryClient.removeQueries();
  void router.navigate({ to: '/sign-in', search: { return: here.href } });
});

createRoot(document.getElementById('root')!).render(<App router={router} />);

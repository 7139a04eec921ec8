import './ui/mantine';
import { setNonce } from 'get-nonce';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { makeRouter } from './app/router';
import { queryClient } from './app/queries';
import { setCsrfToken, whenSignedOut } from './api/session';
import { styleNonce } from './ui/theme';

// Dialogs write a style of their own, which the page's policy allows with the nonce alone.
setNonce(styleNonce());

const router = makeRouter();

whenSignedOut(() => {
  const here = router.state.location;
  if (here.pathname === '/sign-in') return;
  setCsrfToken('');
  queryClient.removeQueries();
  void router.navigate({ to: '/sign-in', search: { return: here.href } });
});

createRoot(document.getElementById('root')!).render(<App router={router} />);

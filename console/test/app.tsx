import { createRouterTransport } from '@connectrpc/connect';
import { render } from '@testing-library/react';
import { createMemoryHistory } from '@tanstack/react-router';
import { clientsOver, setClients, withSession } from '../src/api/clients';
import { App } from '../src/app/App';
import { queryClient } from '../src/app/queries';
import { makeRouter } from '../src/app/router';
import { routes } from '../mock/routes';
import { makeWorld, type World } from '../mock/world';

export interface Opened {
  world: World;
  router: ReturnType<typeof makeRouter>;
  /** The headers of each request, in order. */
  sent: Headers[];
}

/** Opens the whole console at a path, on a stand-in server in memory. */
export function open(path: string, email: string): Opened {
  queryClient.clear();
  const world = makeWorld(Date.now(), 0.1);
  const test = makeWorld(Date.now(), 0.05);
  const session = { email };
  const sent: Headers[] = [];
  const transport = createRouterTransport(
    routes({
      worlds: { prod: world, test },
      whoIs: (context) => {
        sent.push(context.requestHeader);
        return session.email;
      },
      signIn: (_, who) => {
        session.email = who;
      },
      signOut: () => {
        session.email = '';
      },
    }),
    { transport: { interceptors: [withSession] } },
  );
  setClients(clientsOver(transport));
  const router = makeRouter(createMemoryHistory({ initialEntries: [path] }));
  render(<App router={router} />);
  return { world, router, sent };
}


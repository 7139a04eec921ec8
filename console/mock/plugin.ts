import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createContextKey, createContextValues, type HandlerContext } from '@connectrpc/connect';
import type { Connect, Plugin } from 'vite';
import { routes, type Backend } from './routes';
import { takeFile, rejectsCsv } from './intake';
import { makeWorld } from './world';

const httpKey = createContextKey<{ req: IncomingMessage; res: ServerResponse } | undefined>(undefined);

/**
 * Stands in for bodega while pages are drawn: the same procedures and paths,
 * over real HTTP, on an invented marketplace in memory. Only "--mode mock"
 * loads it.
 */
export function mockBackend(): Plugin {
  const sessions = new Map<string, string>();
  const cookieOf = (req: IncomingMessage | undefined) => /bodega_session=([0-9a-f]+)/.exec(req?.headers.cookie ?? '')?.[1] ?? '';
  const http = (context: HandlerContext) => context.values.get(httpKey);
  const scale = Number(process.env.MOCK_SCALE ?? '1');
  const backend: Backend = {
    worlds: { prod: makeWorld(Date.now(), scale), test: makeWorld(Date.now() - 86_400_000, 0.1) },
    whoIs: (context) => sessions.get(cookieOf(http(context)?.req)) ?? '',
    signIn: (context, email) => {
      const id = randomBytes(16).toString('hex');
      sessions.set(id, email);
      http(context)?.res.setHeader('Set-Cookie', `bodega_session=${id}; Path=/; HttpOnly; SameSite=Lax`);
    },
    signOut: (context) => {
      sessions.delete(cookieOf(http(context)?.req));
    },
  };
  const values = new WeakMap<IncomingMessage, ServerResponse>();
  const connect = connectNodeAdapter({
    routes: routes(backend),
    contextValues: (req) => createContextValues().set(httpKey, { req: req as IncomingMessage, res: values.get(req as IncomingMessage)! }),
  });
  const handle: Connect.NextHandleFunction = (req, res, next) => {
    res.setHeader('X-Request-Id', randomBytes(8).toString('hex'));
    const path = req.url ?? '';
    const world = backend.worlds[/tenant=test\b/.test(String(req.headers.baggage ?? '')) ? 'test' : 'prod']!;
    if (path.startsWith('/v1/')) {
      if (!sessions.has(cookieOf(req))) return void res.writeHead(401).end('{"message":"Sign in first."}');
      if (req.method === 'PUT') return void takeFile(world, req, res);
      return rejectsCsv(world, req, res);
    }
    if (path.startsWith('/bodega.')) {
      values.set(req, res);
      return connect(req, res);
    }
    next();
  };
  return {
    name: 'mock-backend',
    configureServer: (server) => void server.middlewares.use(handle),
    configurePreviewServer: (server) => void server.middlewares.use(handle),
  };
}

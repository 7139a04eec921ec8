import { Code, ConnectError, createClient, type Client, type Interceptor, type Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { IdentityService } from '../gen/bodega/identity/v1/identity_pb';
import { ConsoleService } from '../gen/bodega/inventory/v1/console_pb';
import { FeedService } from '../gen/bodega/inventory/v1/feed_pb';
import { ItemService } from '../gen/bodega/inventory/v1/item_pb';
import { MerchantService } from '../gen/bodega/inventory/v1/merchant_pb';
import { requestHeaders, signedOut } from './session';

export interface Clients {
  identity: Client<typeof IdentityService>;
  console: Client<typeof ConsoleService>;
  feeds: Client<typeof FeedService>;
  items: Client<typeof ItemService>;
  merchants: Client<typeof MerchantService>;
}

export const withSession: Interceptor = (next) => async (request) => {
  for (const [name, value] of Object.entries(requestHeaders())) request.header.set(name, value);
  try {
    return await next(request);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated && request.method.name !== 'SignIn') signedOut();
    throw error;
  }
};

export function clientsOver(transport: Transport): Clients {
  return {
    identity: createClient(IdentityService, transport),
    console: createClient(ConsoleService, transport),
    feeds: createClient(FeedService, transport),
    items: createClient(ItemService, transport),
    merchants: createClient(MerchantService, transport),
  };
}

let clients: Clients | undefined;

/** The clients of the server that served this page. */
export function api(): Clients {
  clients ??= clientsOver(
    createConnectTransport({ baseUrl: window.location.origin, interceptors: [withSession], defaultTimeoutMs: undefined }),
  );
  return clients;
}

/** Puts other clients in place of the real ones; tests do. */
export function setClients(replacement: Clients): void {
  clients = replacement;
}

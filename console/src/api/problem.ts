import { Code, ConnectError } from '@connectrpc/connect';

/** An error as a person reads it: what happened, what to do, what to quote. */
export interface Problem {
  title: string;
  detail: string;
  requestId: string;
  /** True where doing the same again may well succeed and does no harm. */
  retryable: boolean;
  notFound: boolean;
}

/** Carries the answer of an HTTP endpoint that is not a Connect procedure. */
export class HttpProblem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId: string,
  ) {
    super(message);
  }
}

const titles: Partial<Record<Code, string>> = {
  [Code.NotFound]: 'Not found',
  [Code.PermissionDenied]: 'You may not do this',
  [Code.InvalidArgument]: 'The server did not accept this',
  [Code.FailedPrecondition]: 'Not possible right now',
  [Code.Aborted]: 'Somebody else changed this first',
  [Code.AlreadyExists]: 'This exists already',
  [Code.ResourceExhausted]: 'Too much at once',
  [Code.Unavailable]: 'The server cannot be reached',
  [Code.DeadlineExceeded]: 'The server took too long',
  [Code.Unauthenticated]: 'You are not signed in',
  [Code.Unimplemented]: 'This server does not offer that yet',
};

const retryable = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted, Code.ResourceExhausted, Code.Unknown, Code.Internal]);

/** Whether the browser could not reach the server at all; each says so in words of its own. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && /fetch|network|load failed/i.test(error.message);
}

function sentence(message: string): string {
  return message === '' ? '' : message[0]!.toUpperCase() + message.slice(1);
}

export function toProblem(error: unknown): Problem {
  if (error instanceof HttpProblem) {
    return {
      title: error.status === 0 ? 'The server cannot be reached' : 'The server did not accept this',
      detail: sentence(error.message),
      requestId: error.requestId,
      retryable: error.status === 0 || error.status >= 500 || error.status === 429,
      notFound: error.status === 404,
    };
  }
  if (error instanceof Error && !(error instanceof ConnectError) && !isUnreachable(error)) {
    return { title: 'This page broke', detail: `${error.message}. Nothing was changed at the server.`, requestId: '', retryable: true, notFound: false };
  }
  const connect = ConnectError.from(error);
  const unreachable = connect.code === Code.Unknown && connect.cause instanceof TypeError;
  return {
    title: unreachable ? 'The server cannot be reached' : (titles[connect.code] ?? 'Something went wrong on the server'),
    detail: unreachable ? 'Nothing was changed. Check that bodega is running, then try again.' : sentence(connect.rawMessage),
    requestId: connect.metadata.get('x-request-id') ?? '',
    retryable: unreachable || retryable.has(connect.code),
    notFound: connect.code === Code.NotFound,
  };
}

/** Fails as fetch does where the server cannot be reached. */
export async function probe(): Promise<void> {
  await fetch('/favicon.svg', { method: 'HEAD', cache: 'no-store' });
}

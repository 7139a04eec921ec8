// What every request carries besides its message: the tenant that the person
// chose and the token that proves the page is ours. Both live here rather than
// in React, because uploads and downloads carry them too.
let csrfToken = '';
let tenant = '';
let onSignedOut: () => void = () => {};

export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Chooses the tenant of every later request; empty for the caller's own. */
export function setTenant(name: string): void {
  tenant = name;
}

export function currentTenant(): string {
  return tenant;
}

/** Registers what happens when the server no longer knows the caller. */
export function whenSignedOut(run: () => void): void {
  onSignedOut = run;
}

export function signedOut(): void {
  onSignedOut();
}

/** The headers of every request to the server (W3C Baggage names the tenant). */
export function requestHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  if (csrfToken) headers['X-Csrf-Token'] = csrfToken;
  if (tenant) headers['Baggage'] = `tenant=${encodeURIComponent(tenant)}`;
  return headers;
}

/** A random id that makes a write safe to send twice. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

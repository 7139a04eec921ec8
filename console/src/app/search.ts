// Search parameters are plain text in the URL, so that a link reads well and
// can be typed by hand.
export type RawSearch = Record<string, unknown>;

export function parseSearch(text: string): RawSearch {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: RawSearch): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value !== undefined && value !== '') parameters.set(name, `${value as string | number | boolean}`);
  }
  const text = parameters.toString();
  return text ? `?${text}` : '';
}

/** Keeps the named parameters that are given, as text. */
export function texts<Name extends string>(...names: Name[]) {
  return (search: RawSearch): Partial<Record<Name, string>> => {
    const kept: Partial<Record<Name, string>> = {};
    for (const name of names) {
      const value = search[name];
      if (typeof value === 'string' && value !== '') kept[name] = value;
    }
    return kept;
  };
}

/** A path within this console, or its start: a return address never leads elsewhere. */
export function safeReturn(path: string | undefined): string {
  return path && /^\/(?![/\\])/.test(path) && !path.startsWith('/sign-in') ? path : '/today';
}

import { HttpProblem } from './problem';
import { idempotencyKey, requestHeaders, signedOut } from './session';

export type FeedKindName = 'full' | 'delta' | 'availability';

export interface Upload {
  merchantId: string;
  storeId: string;
  kind: FeedKindName;
  mapping: string;
  file: File;
}

export interface UploadProgress {
  sentBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
}

export interface Submitted {
  feedId: string;
  resend: boolean;
}

export function uploadPath(upload: Pick<Upload, 'merchantId' | 'storeId' | 'kind' | 'mapping'> & { fileName: string }): string {
  const query = new URLSearchParams({ kind: upload.kind, file_name: upload.fileName });
  if (upload.storeId) query.set('store', upload.storeId);
  if (upload.mapping) query.set('mapping', upload.mapping);
  return `/v1/feeds/${encodeURIComponent(upload.merchantId)}?${query}`;
}

/**
 * Sends one file. XMLHttpRequest, because fetch does not tell how much of a
 * body has left.
 */
export function submitFeed(
  upload: Upload,
  onProgress: (progress: UploadProgress) => void,
  signal: AbortSignal,
): Promise<Submitted> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const started = performance.now();
    request.open('PUT', uploadPath({ ...upload, fileName: upload.file.name }));
    for (const [name, value] of Object.entries(requestHeaders())) request.setRequestHeader(name, value);
    request.setRequestHeader('Idempotency-Key', idempotencyKey());
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => {
      const seconds = Math.max((performance.now() - started) / 1000, 0.001);
      onProgress({ sentBytes: event.loaded, totalBytes: upload.file.size, bytesPerSecond: event.loaded / seconds });
    };
    request.onload = () => {
      const answer = parseAnswer(request.responseText);
      if (request.status >= 200 && request.status < 300) {
        const feedId = text(answer.feed_id ?? answer.feedId);
        if (feedId) {
          resolve({ feedId, resend: answer.resend === true });
          return;
        }
        reject(new HttpProblem(request.status, 'The server took the file but named no feed for it.', requestIdOf(request)));
        return;
      }
      if (request.status === 401) signedOut();
      reject(
        new HttpProblem(
          request.status,
          text(answer.message) || request.responseText.slice(0, 300) || `The server answered ${request.status}.`,
          requestIdOf(request),
        ),
      );
    };
    request.onerror = () =>
      reject(new HttpProblem(0, 'The connection ended before the whole file was sent. Nothing was kept; send it again.', ''));
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(upload.file);
  });
}

/** What the server found in a file, or in its beginning, before it is sent. */
export interface Preview {
  /** Empty where the format could not be told. */
  format: string;
  delimiter?: string;
  encoding: string;
  compression: string;
  mapping: string;
  columns: { name: string; field: string; sample: string }[];
  /** rows = good + rejected + duplicates. */
  rows: number;
  good: number;
  rejected: number;
  duplicates: number;
  /** False where only the beginning was read. */
  whole: boolean;
  problems: PreviewProblem[];
  problem_counts: Record<string, number>;
  error?: { reason: string; after_row: number; detail: string };
}

export interface PreviewProblem {
  row: number;
  line?: number;
  column: string;
  value?: string;
  severity: 'rejected' | 'dropped' | 'noted';
  reason: string;
  detail: string;
  fix?: string;
}

/** How many problems a file has, those too that the answer does not list. */
export function problemsOf(preview: Preview): number {
  return Object.values(preview.problem_counts).reduce((sum, count) => sum + count, 0);
}

// So much of a file is looked at before it is sent: enough for thousands of
// rows, and gone in a moment on any line.
const previewBytes = 4 << 20;

/** Asks what is wrong with a file; nothing of it is kept. */
export async function previewFeed(upload: Upload, signal: AbortSignal): Promise<Preview> {
  const query = new URLSearchParams({ kind: upload.kind });
  if (upload.storeId) query.set('store', upload.storeId);
  if (upload.mapping) query.set('mapping', upload.mapping);
  if (upload.file.size > previewBytes) query.set('partial', 'true');
  const response = await fetch(`/v1/feeds/${encodeURIComponent(upload.merchantId)}/preview?${query}`, {
    method: 'POST',
    headers: { ...requestHeaders(), 'Content-Type': 'application/octet-stream' },
    body: upload.file.slice(0, previewBytes),
    signal,
  });
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Preview;
}

/** Fetches a feed's rejected rows as the CSV that the server writes. */
export async function downloadRejects(feedId: string): Promise<Blob> {
  const response = await fetch(`/v1/feeds/${encodeURIComponent(feedId)}/rejects.csv`, { headers: requestHeaders() });
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}

async function problemOf(response: Response): Promise<HttpProblem> {
  if (response.status === 401) signedOut();
  const body = await response.text();
  return new HttpProblem(
    response.status,
    text(parseAnswer(body).message) || body.slice(0, 300) || `The server answered ${response.status}.`,
    response.headers.get('x-request-id') ?? '',
  );
}

function requestIdOf(request: XMLHttpRequest): string {
  return request.getResponseHeader('x-request-id') ?? '';
}

function parseAnswer(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

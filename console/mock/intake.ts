import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FeedCause, FeedKind, FeedProgressSchema, FeedSchema, FeedStatus } from '../src/gen/bodega/inventory/v1/feed_pb';
import { toCsv } from '../src/ui/csv';
import { seeded } from './random';
import { account, rejects, type World } from './world';

const kinds: Record<string, FeedKind> = { full: FeedKind.FULL, delta: FeedKind.DELTA, availability: FeedKind.AVAILABILITY };

/** Takes a file in and lets a feed run for a few seconds, as a real one would. */
export async function takeFile(world: World, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url ?? '', 'http://local');
  const merchant = world.merchants.find((one) => one.merchantId === url.pathname.split('/')[3]);
  let bytes = 0;
  let lines = 0;
  for await (const chunk of req) {
    bytes += (chunk as Buffer).length;
    for (const byte of chunk as Buffer) if (byte === 10) lines++;
  }
  if (!merchant || bytes === 0) {
    res.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify({ code: 'invalid_argument', message: bytes === 0 ? 'The file is empty. Nothing was kept.' : 'There is no such merchant.' }));
    return;
  }
  const random = seeded(bytes);
  const rows = Math.max(lines - 1, 1);
  const rejected = Math.min(Math.floor(rows / 40) + 3, rows);
  const feed = create(FeedSchema, {
    feedId: `01JNEW${Date.now()}${merchant.merchantId.toUpperCase()}`, merchantId: merchant.merchantId, merchantName: merchant.name, storeId: url.searchParams.get('store') ?? '',
    kind: kinds[url.searchParams.get('kind') ?? ''] ?? FeedKind.FULL, cause: FeedCause.FEED, status: FeedStatus.RUNNING, fileName: url.searchParams.get('file_name') ?? '',
    sizeBytes: BigInt(bytes), sha256: 'c4'.repeat(32), mappingName: merchant.mappingName, mappingVersion: '5f'.repeat(32), submittedAt: timestampFromMs(Date.now()), startedAt: timestampFromMs(Date.now()),
  });
  world.feeds.unshift(feed);
  res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ feed_id: feed.feedId, resend: false }));

  const started = Date.now();
  const lengthMs = 4000;
  const timer = setInterval(() => {
    if (feed.status !== FeedStatus.RUNNING) return clearInterval(timer);
    const share = Math.min((Date.now() - started) / lengthMs, 1);
    const done = Math.round(rows * share);
    const bad = Math.round(rejected * share);
    feed.account = account(done, Math.max(Math.floor((done - bad) / 3), 0), 0, 0, bad, 0, random);
    feed.progress = create(FeedProgressSchema, { phase: share < 0.15 ? 'splitting' : share < 0.9 ? 'applying' : 'publishing', rowsDone: BigInt(done), rowsTotal: BigInt(rows), rowsPerSecond: (rows / lengthMs) * 1000, etaMs: BigInt(Math.round(lengthMs * (1 - share))) });
    if (share === 1) {
      feed.status = FeedStatus.DONE;
      feed.durationMs = BigInt(lengthMs);
      feed.finishedAt = timestampFromMs(Date.now());
      world.rejects.set(feed.feedId, rejects(rejected, random));
      feed.stores = world.stores.filter((store) => store.merchantId === merchant.merchantId && (!feed.storeId || store.storeId === feed.storeId)).slice(0, 1)
        .map((store) => ({ $typeName: 'bodega.inventory.v1.FeedStore', storeId: store.storeId, storeName: store.name, account: feed.account, chunks: 3, chunksDone: 3 }));
      clearInterval(timer);
    }
  }, 100);
}

export function rejectsCsv(world: World, req: IncomingMessage, res: ServerResponse): void {
  const id = decodeURIComponent(/^\/v1\/feeds\/([^/]+)\/rejects\.csv/.exec(req.url ?? '')?.[1] ?? '');
  const rows = world.rejects.get(id);
  if (!rows) return void res.writeHead(404).end('{"message":"No rejected rows are kept for this feed."}');
  res.writeHead(200, { 'Content-Type': 'text/csv' }).end(
    toCsv(['row', 'store', 'item', 'column', 'value', 'reason', 'fix'], rows.map((row) => [String(row.row), row.storeId, row.itemId, row.column, row.value, row.reason, row.fix])),
  );
}

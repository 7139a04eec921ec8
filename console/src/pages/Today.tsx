import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { decideHolds } from '../app/decide';
import { FeedProgressBar } from '../app/FeedProgressBar';
import { ratioText } from '../app/holdSummary';
import { feedHoldsQuery, queryClient, todayQuery } from '../app/queries';
import { useCaller, useMay } from '../app/useCaller';
import type { GetTodayResponse, HeldFeed, LateStore } from '../gen/bodega/inventory/v1/console_pb';
import { Decision, type Hold } from '../gen/bodega/inventory/v1/item_pb';
import type { Feed } from '../gen/bodega/inventory/v1/feed_pb';
import { Empty, PriceMove, ProblemNotice, When } from '../ui/atoms';
import { countOf, formatCount, formatDuration, formatShare, shortenId, storeLabel } from '../ui/format';
import { IconCheck } from '../ui/icons';
import { Card, PageHead, SkeletonLines, State, surface } from '../ui/surface';
import { toastProblem } from '../ui/toast';
import { feedStatusWord, guardLabel } from '../ui/words';
import css from './Today.module.css';

export function Today() {
  const caller = useCaller();
  const { data, error, refetch } = useQuery(todayQuery());
  const first = caller?.name.split(' ')[0];
  return (
    <>
      <PageHead title="Today" lede={data ? summary(data, first) : 'What needs a person now.'} />
      <div className={surface.stack}>
        {error && <ProblemNotice error={error} retry={() => void refetch()} />}
        {data ? <Needs data={data} /> : !error && <TodaySkeleton />}
      </div>
    </>
  );
}

function summary(data: GetTodayResponse, name: string | undefined): string {
  const needs = data.heldFeeds.length + lateByMerchant(data.lateStores).length + data.feedsToSee.length + data.emptyingStores.length;
  const greeting = name ? `${name}, ` : '';
  const text = needs === 0 ? 'nothing needs you right now.' : `${countOf(needs, 'thing needs', 'things need')} a person now.`;
  return greeting ? greeting + text : text[0]!.toUpperCase() + text.slice(1);
}

function Needs({ data }: { data: GetTodayResponse }) {
  const mayDecide = useMay('inventory.hold.decide');
  const maySubmit = useMay('inventory.feed.submit');
  const nothing = data.openHolds === 0n && !data.lateStores.length && !data.feedsToSee.length && !data.emptyingStores.length && !data.running.length;
  if (nothing) {
    return (
      <Card flush>
        <Empty
          icon={<IconCheck size={32} />}
          title="All clear"
          action={maySubmit && <Link to="/inventory/feeds/submit" className={surface.linkButton} data-primary>Submit a feed</Link>}
          command="bodega feed submit --merchant M --kind full FILE"
        >
          Held prices, late stores, feeds with problems and stores that are running empty appear here, each one click from done.
        </Empty>
      </Card>
    );
  }
  return (
    <>
      {data.running.length > 0 && (
        <Card title="Running now" note={countOf(data.running.length, 'feed')} flush>
          <Rows>
            {data.running.map((feed) => (
              <li key={feed.feedId} className={css.row}>
                <FeedName feed={feed} />
                <div className={css.wide}><FeedProgressBar feed={feed} /></div>
              </li>
            ))}
          </Rows>
        </Card>
      )}
      {data.openHolds > 0n && (
        <Card
          title="Prices and removals held for a person"
          note={`${countOf(data.openHolds, 'open hold')}; until one is decided, shoppers see the last good price`}
          aside={<Link to="/inventory/holds" className={surface.linkButton} data-small>See all holds</Link>}
          flush
        >
          <Rows>
            {data.heldFeeds.map((held) =>
              held.holds === 1n && held.sample ? (
                <HoldRow key={held.feedId} hold={held.sample} mayDecide={mayDecide} />
              ) : (
                <HeldFeedRow key={held.feedId} held={held} mayDecide={mayDecide} />
              ),
            )}
          </Rows>
        </Card>
      )}
      {data.lateStores.length > 0 && (
        <Card title="Stores whose feed is late" note="Their newest full feed is older than their usual rhythm" flush>
          <Rows>
            {lateByMerchant(data.lateStores).map((late) => (
              <LateRow key={late[0]!.store!.merchantId} late={late} maySubmit={maySubmit} />
            ))}
          </Rows>
        </Card>
      )}
      {data.feedsToSee.length > 0 && (
        <Card
          title="Feeds to look at"
          note="Failed, truncated, or with rejected rows"
          aside={<Link to="/inventory/feeds" className={surface.linkButton} data-small>See all feeds</Link>}
          flush
        >
          <Rows>
            {data.feedsToSee.map((feed) => (
              <li key={feed.feedId} className={css.row}>
                <FeedName feed={feed} />
                <State word={feedTrouble(feed)} />
                <Link
                  to="/inventory/feeds/$feedId"
                  params={{ feedId: feed.feedId }}
                  search={feed.account && feed.account.rejected > 0n ? { tab: 'rejects' } : {}}
                  className={surface.linkButton}
                  data-small
                >
                  {feed.account && feed.account.rejected > 0n ? 'See rejects' : 'See why'}
                </Link>
              </li>
            ))}
          </Rows>
        </Card>
      )}
      {data.emptyingStores.length > 0 && (
        <Card title="Stores that are running empty" note="Most of their items are hidden" flush>
          <Rows>
            {data.emptyingStores.map((store) => (
              <li key={store.merchantId + store.storeId} className={css.row}>
                <div className={css.what}>
                  <Link to="/inventory/stores/$merchantId/$storeId" params={{ merchantId: store.merchantId, storeId: store.storeId }} className={css.name}>{store.name}</Link>
                  <div className={surface.second}>{store.merchantName} · {formatCount(store.shown)} of {countOf(store.items, 'item')} shown</div>
                </div>
                <State word={{ label: `${formatShare(store.hidden, store.items)} hidden`, tone: 'bad' }} />
                <Link
                  to="/inventory/items"
                  search={{ merchant: store.merchantId, store: store.storeId, visibility: 'hidden' }}
                  className={surface.linkButton}
                  data-small
                >
                  See why
                </Link>
              </li>
            ))}
          </Rows>
        </Card>
      )}
    </>
  );
}

function Rows({ children }: { children: ReactNode }) {
  return <ul className={css.rows}>{children}</ul>;
}

function HoldRow({ hold, mayDecide }: { hold: Hold; mayDecide: boolean }) {
  const name = hold.itemName || hold.itemId;
  const removal = hold.itemId === '';
  const what = removal ? `${countOf(hold.removals, 'removal')} at ${hold.storeName || hold.storeId}` : name;
  return (
    <li className={css.row}>
      <div className={css.what}>
        {removal ? (
          <Link to="/inventory/feeds/$feedId" params={{ feedId: hold.feedId }} className={css.name}>{what}</Link>
        ) : (
          <Link
            to="/inventory/items/$merchantId/$storeId/$itemId"
            params={{ merchantId: hold.merchantId, storeId: hold.storeId, itemId: hold.itemId }}
            className={css.name}
          >
            {what}
          </Link>
        )}
        <div className={surface.second}>{hold.merchantName}, {storeLabel(hold.storeName || hold.storeId, hold.merchantName)} · {guardLabel(hold.guard)} · <When at={hold.createdAt} /></div>
      </div>
      {!removal && <PriceMove before={hold.beforeMinor} after={hold.afterMinor} currency={hold.currency} />}
      {mayDecide && (
        <div className={surface.actions}>
          <Button size="compact-sm" variant="default" onClick={() => void decideHolds([hold], Decision.APPROVE)} aria-label={`Approve ${what}`}>Approve</Button>
          <Button size="compact-sm" variant="default" onClick={() => void decideHolds([hold], Decision.DISCARD)} aria-label={`Discard ${what}`}>Discard</Button>
        </div>
      )}
    </li>
  );
}

/** All that one feed had held, decided with one click. */
function HeldFeedRow({ held, mayDecide }: { held: HeldFeed; mayDecide: boolean }) {
  const [busy, setBusy] = useState(false);
  const { sample, feedId } = held;
  const parts = [held.prices > 0n ? countOf(held.prices, 'price') : '', held.removals > 0n ? countOf(held.removals, 'removal') : ''].filter(Boolean).join(' and ');
  const where = held.stores === 1n && sample ? storeLabel(sample.storeName || sample.storeId, sample.merchantName) : countOf(held.stores, 'store');
  const decide = async (decision: Decision.APPROVE | Decision.DISCARD) => {
    setBusy(true);
    try {
      // Read now: what is decided is what is held now, not what was when the page was opened.
      await decideHolds(await queryClient.fetchQuery({ ...feedHoldsQuery(feedId), staleTime: 0 }), decision);
    } catch (error) {
      toastProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <li className={css.row}>
      <div className={css.what}>
        <Link to="/inventory/holds" search={{ feed: feedId }} className={css.name}>{parts} of one feed</Link>
        <div className={surface.second}>
          {sample?.merchantName}, {where} · {held.guards.length === 1 ? guardLabel(held.guards[0]!) : countOf(held.guards.length, 'reason')} · <When at={sample?.createdAt} />
        </div>
        {sample?.itemId && (
          <div className={surface.second}>
            {held.typicalRatio > 0 && <>Typically {ratioText(held.typicalRatio)}, such as </>}
            {sample.itemName || sample.itemId}: <PriceMove before={sample.beforeMinor} after={sample.afterMinor} currency={sample.currency} />
          </div>
        )}
      </div>
      <Link to="/inventory/holds" search={{ feed: feedId }} className={surface.linkButton} data-small>Look closer</Link>
      {mayDecide && (
        <div className={surface.actions}>
          <Button size="compact-sm" variant="default" disabled={busy} aria-label={`Approve all ${formatCount(held.holds)} holds of ${held.fileName || feedId}`} onClick={() => void decide(Decision.APPROVE)}>Approve all</Button>
          <Button size="compact-sm" variant="default" disabled={busy} aria-label={`Discard all ${formatCount(held.holds)} holds of ${held.fileName || feedId}`} onClick={() => void decide(Decision.DISCARD)}>Discard all</Button>
        </div>
      )}
    </li>
  );
}

/** One merchant's file brings all its stores, so they are late together. */
function lateByMerchant(stores: readonly LateStore[]): LateStore[][] {
  const groups = new Map<string, LateStore[]>();
  for (const late of stores) {
    if (!late.store) continue;
    const group = groups.get(late.store.merchantId);
    if (group) group.push(late);
    else groups.set(late.store.merchantId, [late]);
  }
  return [...groups.values()];
}

function LateRow({ late, maySubmit }: { late: LateStore[]; maySubmit: boolean }) {
  const latest = late.reduce((most, one) => (one.lateByMs > most.lateByMs ? one : most));
  const store = latest.store!;
  const { merchantId, merchantName } = store;
  const alone = late.length === 1;
  const rhythm = <>Last feed <When at={latest.lastFeedAt} />, usually every {formatDuration(latest.usualIntervalMs)}</>;
  return (
    <li className={css.row}>
      <div className={css.what}>
        {alone ? (
          <Link to="/inventory/stores/$merchantId/$storeId" params={{ merchantId, storeId: store.storeId }} className={css.name}>{store.name}</Link>
        ) : (
          <Link to="/inventory/stores" search={{ merchant: merchantId }} className={css.name}>{countOf(late.length, 'store')} of {merchantName || merchantId}</Link>
        )}
        <div className={surface.second}>{alone ? merchantName : late.map((one) => storeLabel(one.store!.name, merchantName)).join(', ')}</div>
        <div className={surface.second}>{rhythm}</div>
      </div>
      <State word={{ label: `${formatDuration(latest.lateByMs)} late`, tone: 'warn' }} />
      {maySubmit && (
        <Link to="/inventory/feeds/submit" search={{ merchant: merchantId, kind: 'full', ...(alone ? { store: store.storeId } : {}) }} className={surface.linkButton} data-small>
          {alone ? 'Submit its feed' : 'Submit their feed'}
        </Link>
      )}
    </li>
  );
}

function FeedName({ feed }: { feed: Feed }) {
  return (
    <div className={css.what}>
      <Link to="/inventory/feeds/$feedId" params={{ feedId: feed.feedId }} className={css.name}>{feed.fileName || shortenId(feed.feedId)}</Link>
      <div className={surface.second}>
        {feed.merchantName || feed.merchantId} · <When at={feed.submittedAt} />
        {feed.error && ` · ${feed.error}`}
      </div>
    </div>
  );
}

function feedTrouble(feed: Feed) {
  if (feed.truncated) return { label: 'Truncated', tone: 'bad' as const };
  if (feed.account && feed.account.rejected > 0n && !feed.error) return { label: `${formatCount(feed.account.rejected)} rejected`, tone: 'warn' as const };
  return feedStatusWord(feed.status);
}

function TodaySkeleton() {
  return (
    <>
      {[5, 3].map((lines) => (
        <Card key={lines} title={<SkeletonLines lines={1} />}>
          <SkeletonLines lines={lines} height={20} />
        </Card>
      ))}
    </>
  );
}

import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { decideHolds } from '../app/decide';
import { FeedProgressBar } from '../app/FeedProgressBar';
import { summarizeHolds } from '../app/holdSummary';
import { feedHoldsQuery, todayQuery } from '../app/queries';
import { useCaller, useMay } from '../app/useCaller';
import type { GetTodayResponse } from '../gen/bodega/inventory/v1/console_pb';
import { Decision, type Hold } from '../gen/bodega/inventory/v1/item_pb';
import type { Feed } from '../gen/bodega/inventory/v1/feed_pb';
import { Empty, PriceMove, ProblemNotice, When } from '../ui/atoms';
import { countOf, formatCount, formatDuration, formatShare, shortenId } from '../ui/format';
import { IconCheck } from '../ui/icons';
import { Card, PageHead, SkeletonLines, State, surface } from '../ui/surface';
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
  const needs = Number(data.openHolds) + data.lateStores.length + data.feedsToSee.length + data.emptyingStores.length;
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
            {groupByFeed(data.holds.slice(0, 12)).map((holds) =>
              holds.length < groupFrom ? (
                holds.map((hold) => <HoldRow key={hold.holdId} hold={hold} mayDecide={mayDecide} />)
              ) : (
                <FeedHoldsRow key={holds[0]!.feedId} holds={holds} mayDecide={mayDecide} />
              ),
            )}
          </Rows>
        </Card>
      )}
      {data.lateStores.length > 0 && (
        <Card title="Stores whose feed is late" note="Their newest full feed is older than their usual rhythm" flush>
          <Rows>
            {data.lateStores.map(({ store, lastFeedAt, lateByMs, usualIntervalMs }) => store && (
              <li key={store.merchantId + store.storeId} className={css.row}>
                <div className={css.what}>
                  <Link to="/inventory/stores/$merchantId/$storeId" params={{ merchantId: store.merchantId, storeId: store.storeId }} className={css.name}>{store.name}</Link>
                  <div className={surface.second}>{store.merchantName} · last feed <When at={lastFeedAt} />, usually every {formatDuration(usualIntervalMs)}</div>
                </div>
                <State word={{ label: `${formatDuration(lateByMs)} late`, tone: 'warn' }} />
                {maySubmit && (
                  <Link to="/inventory/feeds/submit" search={{ merchant: store.merchantId, store: store.storeId, kind: 'full' }} className={surface.linkButton} data-small>
                    Submit its feed
                  </Link>
                )}
              </li>
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
        <div className={surface.second}>{hold.storeName || hold.storeId} · {guardLabel(hold.guard)} · <When at={hold.createdAt} /></div>
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

// As many holds of one feed have one cause, so they are shown and decided as one.
const groupFrom = 4;

function groupByFeed(holds: readonly Hold[]): Hold[][] {
  const groups = new Map<string, Hold[]>();
  for (const hold of holds) {
    const group = groups.get(hold.feedId);
    if (group) group.push(hold);
    else groups.set(hold.feedId, [hold]);
  }
  return [...groups.values()];
}

/** All that one feed had held, decided with one click. */
function FeedHoldsRow({ holds, mayDecide }: { holds: Hold[]; mayDecide: boolean }) {
  const sample = holds[0]!;
  const all = useQuery(feedHoldsQuery(sample.feedId));
  const open = all.data?.filter((hold) => hold.state === 'open') ?? holds;
  const stores = new Set(open.map((hold) => hold.storeName || hold.storeId));
  const guards = new Set(open.map((hold) => hold.guard));
  const name = `${countOf(open.length, 'hold')} of one feed`;
  return (
    <li className={css.row}>
      <div className={css.what}>
        <Link to="/inventory/holds" search={{ feed: sample.feedId }} className={css.name}>{name}</Link>
        <div className={surface.second}>
          {stores.size === 1 ? [...stores][0] : `${sample.merchantName}, ${countOf(stores.size, 'store')}`} · {guards.size === 1 ? guardLabel(sample.guard) : countOf(guards.size, 'reason')} · <When at={sample.createdAt} />
        </div>
        <div className={surface.second}>{summarizeHolds(open).approve}</div>
      </div>
      <Link to="/inventory/holds" search={{ feed: sample.feedId }} className={surface.linkButton} data-small>Look closer</Link>
      {mayDecide && (
        <div className={surface.actions}>
          <Button size="compact-sm" variant="default" disabled={!all.data} onClick={() => void decideHolds(open, Decision.APPROVE)}>Approve all {formatCount(open.length)}</Button>
          <Button size="compact-sm" variant="default" disabled={!all.data} onClick={() => void decideHolds(open, Decision.DISCARD)}>Discard all {formatCount(open.length)}</Button>
        </div>
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

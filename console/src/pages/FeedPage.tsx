import { Button, Tabs } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { api } from '../api/clients';
import { downloadRejects } from '../api/upload';
import { PartNumbers, StackedBar } from '../charts/parts';
import { FeedProgressBar } from '../app/FeedProgressBar';
import { refreshInventory } from '../app/queries';
import { useFeed } from '../app/useFeed';
import { useMay } from '../app/useCaller';
import { FeedStatus, type Feed } from '../gen/bodega/inventory/v1/feed_pb';
import { CopyId, ProblemNotice, When } from '../ui/atoms';
import { saveFile } from '../ui/csv';
import { countOf, formatBytes, formatCount, formatDuration, shortenId } from '../ui/format';
import { IconDownload } from '../ui/icons';
import { Card, Fact, Facts, Notice, PageHead, SkeletonLines, State, surface } from '../ui/surface';
import { toastProblem } from '../ui/toast';
import { feedCauseLabel, feedKindLabel, hasEnded } from '../ui/words';
import { accountParts } from './accountParts';
import { feedWord } from './feedColumns';

// The tables of the other tabs are fetched with the tab.
const FeedStores = lazy(() => import('./FeedStores').then((module) => ({ default: module.FeedStores })));
const Rejects = lazy(() => import('./Rejects').then((module) => ({ default: module.Rejects })));

const route = getRouteApi('/app/inventory/feeds/$feedId');

export function FeedPage() {
  const { feedId } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: feed, error, refetch, live } = useFeed(feedId);

  if (!feed) {
    return (
      <>
        <PageHead title={`Feed ${shortenId(feedId)}`} lede={error ? undefined : 'Reading its account…'} />
        {error ? <ProblemNotice error={error} retry={() => void refetch()} /> : <Card title="The account of its rows"><SkeletonLines lines={6} height={20} /></Card>}
      </>
    );
  }
  const rejected = feed.account?.rejected ?? 0n;
  const tab = search.tab ?? 'account';
  return (
    <>
      <PageHead
        title={feed.fileName || `Feed ${shortenId(feed.feedId)}`}
        lede={
          <span className={surface.actions}>
            <State word={feedWord(feed)} />
            <span>
              {feed.merchantName || feed.merchantId}
              {feed.storeId && (
                <>
                  , store <Link to="/inventory/stores/$merchantId/$storeId" params={{ merchantId: feed.merchantId, storeId: feed.storeId }}>{feed.storeId}</Link>
                </>
              )}
              {' · '}submitted <When at={feed.submittedAt} />
            </span>
          </span>
        }
      >
        <FeedActions feed={feed} />
      </PageHead>
      <div className={surface.stack}>
        {error && <ProblemNotice error={error} retry={() => void refetch()} />}
        {!hasEnded(feed.status) && (
          <Card title={feed.status === FeedStatus.QUEUED ? 'Queued' : 'Running'} note="It goes on when this tab is closed." aside={live ? <State word={{ label: 'Live', tone: 'ok' }} /> : undefined}>
            <FeedProgressBar feed={feed} />
          </Card>
        )}
        <FeedNotices feed={feed} />
        <Tabs value={tab} onChange={(next) => void navigate({ search: { tab: next === 'account' ? undefined : (next ?? undefined) } })} keepMounted={false}>
          <Tabs.List mb="md">
            <Tabs.Tab value="account">Account</Tabs.Tab>
            <Tabs.Tab value="rejects">Rejected rows{rejected > 0n ? ` (${formatCount(rejected)})` : ''}</Tabs.Tab>
            <Tabs.Tab value="stores">Stores{feed.stores.length > 0 ? ` (${formatCount(feed.stores.length)})` : ''}</Tabs.Tab>
            <Tabs.Tab value="details">Details</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="account"><Account feed={feed} /></Tabs.Panel>
          <Tabs.Panel value="rejects"><Suspense fallback={<Card><SkeletonLines lines={8} height={20} /></Card>}><Rejects feed={feed} /></Suspense></Tabs.Panel>
          <Tabs.Panel value="stores"><Suspense fallback={<Card><SkeletonLines lines={8} height={20} /></Card>}><FeedStores feed={feed} /></Suspense></Tabs.Panel>
          <Tabs.Panel value="details"><Details feed={feed} /></Tabs.Panel>
        </Tabs>
      </div>
    </>
  );
}

function FeedActions({ feed }: { feed: Feed }) {
  const maySubmit = useMay('inventory.feed.submit');
  const [busy, setBusy] = useState(false);
  const rejected = feed.account?.rejected ?? 0n;
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      toastProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      {rejected > 0n && (
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          loading={busy}
          onClick={() => void run(async () => saveFile(`rejects-${feed.feedId}.csv`, await downloadRejects(feed.feedId)))}
        >
          Rejected rows (CSV)
        </Button>
      )}
      {maySubmit && !hasEnded(feed.status) && (
        <Button
          variant="default"
          loading={busy}
          onClick={() =>
            void run(async () => {
              await api().feeds.cancelFeed({ feedId: feed.feedId });
              refreshInventory();
            })
          }
        >
          Cancel this feed
        </Button>
      )}
    </>
  );
}

function FeedNotices({ feed }: { feed: Feed }) {
  const { account } = feed;
  return (
    <>
      {feed.error && (
        <Notice tone={feed.status === FeedStatus.FAILED || feed.truncated ? 'bad' : 'warn'} title={feed.truncated ? 'The file seems to be cut off' : feed.status === FeedStatus.FAILED ? 'This feed failed' : 'Something to know'}>
          {feed.error}
        </Notice>
      )}
      {feed.truncated && !feed.error && (
        <Notice tone="bad" title="The file seems to be cut off">Nothing was delisted because of it. Ask the merchant to send the whole file again.</Notice>
      )}
      {account && (account.held > 0n || account.removalsHeld > 0n) && (
        <Notice
          tone="warn"
          title={[
            account.held > 0n ? `${countOf(account.held, 'row')} held for a person` : '',
            account.removalsHeld > 0n ? `${countOf(account.removalsHeld, 'removal')} held for a person` : '',
          ].filter(Boolean).join(', ')}
          action={<Link to="/inventory/holds" search={{ feed: feed.feedId }} className={surface.linkButton} data-small>Decide</Link>}
        >
          Until they are decided, shoppers see what they saw before.
        </Notice>
      )}
    </>
  );
}

/** The account closes where its parts add up to the rows that were read; it is checked, not claimed. */
function Account({ feed }: { feed: Feed }) {
  const { account } = feed;
  if (!account || (account.rowsRead === 0n && !hasEnded(feed.status))) {
    return <Card title="The account of its rows"><p className={surface.muted}>No row has been read yet; the numbers appear here as they come.</p></Card>;
  }
  const parts = accountParts(account);
  const total = Number(account.rowsRead);
  const sum = parts.reduce((all, part) => all + part.value, 0);
  const closes = sum === total;
  const running = !hasEnded(feed.status);
  return (
    <div className={surface.stack}>
      <Card
        title={`${countOf(account.rowsRead, 'row')} read`}
        note={
          closes
            ? `${formatCount(total)} = ${parts.map((part) => formatCount(part.value)).join(' + ')}`
            : running
              ? `${formatCount(total - sum)} still on their way`
              : `The parts add up to ${formatCount(sum)}: ${formatCount(Math.abs(total - sum))} ${total > sum ? 'are missing' : 'too many'}`
        }
        aside={
          <State word={running ? { label: 'Still counting', tone: 'info' } : closes ? { label: 'The account closes', tone: 'ok' } : { label: 'The account does not close', tone: 'bad' }} />
        }
      >
        <StackedBar label="Rows read" parts={parts} />
        <PartNumbers parts={parts} total={total} />
      </Card>
      {(account.removed > 0n || account.removalsHeld > 0n) && (
        <Card title="Items that the file did not name">
          <Facts>
            <Fact name="Delisted">{countOf(account.removed, 'item')}</Fact>
            <Fact name="Held">{countOf(account.removalsHeld, 'item')} {account.removalsHeld > 0n && 'wait for a person'}</Fact>
          </Facts>
        </Card>
      )}
    </div>
  );
}

function Details({ feed }: { feed: Feed }) {
  return (
    <Card>
      <Facts>
        <Fact name="Feed id"><CopyId id={feed.feedId} what="Feed id" keep={12} /></Fact>
        <Fact name="Kind">{feedKindLabel(feed.kind)}</Fact>
        <Fact name="Cause">{feedCauseLabel(feed.cause)}</Fact>
        {feed.region && <Fact name="Region">{feed.region}</Fact>}
        <Fact name="File">{feed.fileName || '–'} {feed.sizeBytes > 0n && <span className={surface.second}>{formatBytes(feed.sizeBytes)}</span>}</Fact>
        <Fact name="SHA-256"><CopyId id={feed.sha256} what="SHA-256" keep={8} /></Fact>
        <Fact name="Mapping">{feed.mappingName || '–'} {feed.mappingVersion && <CopyId id={feed.mappingVersion} what="Mapping version" />}</Fact>
        <Fact name="Written"><When at={feed.sourceTime} /></Fact>
        <Fact name="Submitted"><When at={feed.submittedAt} /> {feed.submittedBy && <span className={surface.second}>by {feed.submittedBy}</span>}</Fact>
        <Fact name="Started"><When at={feed.startedAt} /></Fact>
        <Fact name="Finished"><When at={feed.finishedAt} /></Fact>
        <Fact name="Took">{feed.durationMs > 0n ? formatDuration(feed.durationMs) : '–'}</Fact>
      </Facts>
    </Card>
  );
}

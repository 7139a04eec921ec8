import { Select, Switch } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { feedAddress } from '../app/addresses';
import { MerchantPicker, StorePicker } from '../app/pickers';
import { feedsQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { FeedStatus } from '../gen/bodega/inventory/v1/feed_pb';
import { Empty, ProblemNotice } from '../ui/atoms';
import { DataTable } from '../ui/DataTable';
import { IconFeed } from '../ui/icons';
import { Card, PageHead, surface } from '../ui/surface';
import { feedColumns } from './feedColumns';

const route = getRouteApi('/app/inventory/feeds');
const statuses: Record<string, FeedStatus[]> = {
  running: [FeedStatus.QUEUED, FeedStatus.RUNNING],
  done: [FeedStatus.DONE],
  failed: [FeedStatus.FAILED],
  canceled: [FeedStatus.CANCELED],
};

export function Feeds() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const maySubmit = useMay('inventory.feed.submit');
  const query = useInfiniteQuery(
    feedsQuery({
      merchantId: search.merchant ?? '',
      storeId: search.store ?? '',
      statuses: statuses[search.status ?? ''] ?? [],
      allCauses: search.causes === 'all',
    }),
  );
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.feeds) ?? [], [query.data]);
  const set = (part: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...part }) });
  const submit = (
    <Link to="/inventory/feeds/submit" search={search.merchant ? { merchant: search.merchant } : {}} className={surface.linkButton} data-primary>Submit a feed</Link>
  );

  return (
    <>
      <PageHead title="Feeds" lede="Every file that a merchant sent and the account of its rows.">{maySubmit && submit}</PageHead>
      <div className={surface.stack}>
        {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
        <Card flush>
          <DataTable
            id="feeds"
            label="Feeds"
            rows={rows}
            columns={feedColumns(search.causes === 'all')}
            rowKey={(feed) => feed.feedId}
            loading={query.isPending}
            failed={query.isError}
            view={search}
            onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
            address={feedAddress}
            more={{ available: query.hasNextPage, loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() }}
            bar={
              <>
                <MerchantPicker value={search.merchant} onChange={(merchant) => set({ merchant, store: undefined })} />
                {search.merchant && <StorePicker merchantId={search.merchant} value={search.store} onChange={(store) => set({ store })} />}
                <Select
                  aria-label="Status"
                  placeholder="Any status"
                  clearable
                  clearButtonProps={{ 'aria-label': 'Show any status' }}
                  w={140}
                  value={search.status ?? null}
                  onChange={(status) => set({ status: status ?? undefined })}
                  data={[
                    { value: 'running', label: 'Running' },
                    { value: 'done', label: 'Done' },
                    { value: 'failed', label: 'Failed' },
                    { value: 'canceled', label: 'Canceled' },
                  ]}
                />
                <Switch
                  size="xs"
                  label="Also work that no file caused"
                  checked={search.causes === 'all'}
                  onChange={(event) => set({ causes: event.currentTarget.checked ? 'all' : undefined })}
                />
              </>
            }
            empty={
              <Empty icon={<IconFeed size={32} />} title="No feeds here yet" action={maySubmit ? submit : undefined} command="bodega feed submit --merchant M --kind full FILE">
                A feed is a merchant’s file of items and prices. Each of its rows is accounted for: applied, unchanged, stale, held, rejected or a duplicate.
              </Empty>
            }
          />
        </Card>
      </div>
    </>
  );
}

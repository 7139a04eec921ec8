import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo } from 'react';
import { feedAddress } from '../app/addresses';
import { feedsQuery } from '../app/queries';
import { Empty, ProblemNotice } from '../ui/atoms';
import { DataTable } from '../ui/DataTable';
import { IconFeed } from '../ui/icons';
import { Card } from '../ui/surface';
import { feedColumns } from './feedColumns';

const route = getRouteApi('/app/inventory/stores/$merchantId/$storeId');

export function StoreFeeds() {
  const { merchantId, storeId } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(feedsQuery({ merchantId, storeId, statuses: [], allCauses: true }));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.feeds) ?? [], [query.data]);
  return (
    <Card flush>
      {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
      <DataTable
        id="store-feeds"
        label="Feeds of this store"
        rows={rows}
        columns={feedColumns(true).filter((column) => column.key !== 'merchant')}
        rowKey={(feed) => feed.feedId}
        loading={query.isPending}
        failed={query.isError}
        view={search}
        onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
        address={feedAddress}
        more={{ available: query.hasNextPage, loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() }}
        empty={
          <Empty icon={<IconFeed size={32} />} title="No feed has named this store yet" command={`bodega feed submit --merchant ${merchantId} --store ${storeId} --kind full FILE`}>
            Its items appear with the first feed.
          </Empty>
        }
      />
    </Card>
  );
}

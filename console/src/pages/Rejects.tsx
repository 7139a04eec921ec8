import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo } from 'react';
import { rejectsQuery } from '../app/queries';
import type { Feed, Reject } from '../gen/bodega/inventory/v1/feed_pb';
import { Empty, ProblemNotice } from '../ui/atoms';
import { DataTable, type Column } from '../ui/DataTable';
import { formatCount } from '../ui/format';
import { IconCheck } from '../ui/icons';
import { Card } from '../ui/surface';
import { hasEnded, readable } from '../ui/words';

const route = getRouteApi('/app/inventory/feeds/$feedId');

const columns: Column<Reject>[] = [
  { key: 'row', title: 'Row', width: 76, align: 'end', value: (reject) => reject.row, cell: (reject) => formatCount(reject.row) },
  { key: 'item', title: 'Item', width: 120, grow: 1, value: (reject) => reject.itemId, phone: false },
  { key: 'store', title: 'Store', width: 80, value: (reject) => reject.storeId, optional: true },
  { key: 'column', title: 'Column', width: 130, value: (reject) => reject.column, phone: false, cell: (reject) => reject.column && <code>{reject.column}</code> },
  { key: 'value', title: 'Value', width: 140, grow: 1, value: (reject) => reject.value, phone: false, cell: (reject) => <code title={reject.value}>{reject.value || 'empty'}</code> },
  { key: 'reason', title: 'Why', width: 160, grow: 2, value: (reject) => readable(reject.reason), cell: (reject) => <span title={readable(reject.reason)}>{readable(reject.reason)}</span> },
  { key: 'fix', title: 'What to do', width: 160, grow: 2, value: (reject) => reject.fix, phone: false, cell: (reject) => <span title={reject.fix}>{readable(reject.fix)}</span> },
];

export function Rejects({ feed }: { feed: Feed }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(rejectsQuery(feed.feedId));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.rejects) ?? [], [query.data]);
  return (
    <Card flush>
      {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
      <DataTable
        id="rejects"
        label="Rejected rows"
        rows={rows}
        columns={columns}
        rowKey={(reject) => `${reject.row} ${reject.storeId} ${reject.column}`}
        loading={query.isPending}
        failed={query.isError}
        view={search}
        onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
        more={{ available: query.hasNextPage, loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() }}
        empty={
          <Empty icon={<IconCheck size={32} />} title={hasEnded(feed.status) ? 'No row was rejected' : 'No row was rejected so far'}>
            A rejected row is shown here with its column, the reason and what the merchant can do about it.
          </Empty>
        }
      />
    </Card>
  );
}

import { getRouteApi, useNavigate } from '@tanstack/react-router';
import type { GetOverviewResponse } from '../gen/bodega/inventory/v1/console_pb';
import { Empty } from '../ui/atoms';
import { DataTable } from '../ui/DataTable';
import { IconStore } from '../ui/icons';
import { storeColumns, storeKey } from './storeColumns';

const route = getRouteApi('/app/inventory/');

/** The stores of the overview. */
export function OverviewStores({ data }: { data: GetOverviewResponse }) {
  const search = route.useSearch();
  const navigate = useNavigate();
  const pageNavigate = route.useNavigate();
  return (
    <DataTable
      id="overview-stores"
      label="Stores"
      rows={data.stores}
      columns={storeColumns(!search.merchant && data.merchants.length > 1)}
      rowKey={storeKey}
      view={search}
      onView={(view) => void pageNavigate({ search: (before) => ({ ...before, ...view }), replace: true })}
      onOpen={(store) => void navigate({ to: '/inventory/stores/$merchantId/$storeId', params: { merchantId: store.merchantId, storeId: store.storeId } })}
      empty={
        <Empty icon={<IconStore size={32} />} title="No stores yet" command="bodega store create --merchant M --id 1 --name NAME">
          A store is one place of a merchant, with its own prices and its own menu.
        </Empty>
      }
    />
  );
}

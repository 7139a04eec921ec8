import { getRouteApi } from '@tanstack/react-router';
import { storeAddress } from '../app/addresses';
import type { GetOverviewResponse } from '../gen/bodega/inventory/v1/console_pb';
import { Empty } from '../ui/atoms';
import { DataTable } from '../ui/DataTable';
import { IconStore } from '../ui/icons';
import { storeColumns, storeKey } from './storeColumns';

const route = getRouteApi('/app/inventory/');

/** The stores of the overview. */
export function OverviewStores({ data }: { data: GetOverviewResponse }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <DataTable
      id="overview-stores"
      label="Stores"
      rows={data.stores}
      columns={storeColumns(!search.merchant && data.merchants.length > 1)}
      rowKey={storeKey}
      view={search}
      onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
      address={storeAddress}
      empty={
        <Empty icon={<IconStore size={32} />} title="No stores yet" command="bodega store create --merchant M --id 1 --name NAME">
          A store is one place of a merchant, with its own prices and its own menu.
        </Empty>
      }
    />
  );
}

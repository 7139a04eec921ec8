import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { storeAddress } from '../app/addresses';
import { MerchantPicker } from '../app/pickers';
import { merchantsQuery, storesQuery } from '../app/queries';
import { isMerchantUser, useCaller, useMay } from '../app/useCaller';
import { Empty, ProblemNotice } from '../ui/atoms';
import { DataTable } from '../ui/DataTable';
import { IconPlus, IconStore } from '../ui/icons';
import { Card, PageHead, surface } from '../ui/surface';
import { storeColumns, storeKey } from './storeColumns';

const AddMerchant = lazy(() => import('./AddStore').then((module) => ({ default: module.AddMerchant })));
const AddStore = lazy(() => import('./AddStore').then((module) => ({ default: module.AddStore })));

const route = getRouteApi('/app/inventory/stores');

export function Stores() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const caller = useCaller();
  const mayAdd = useMay('inventory.merchant.write');
  const query = useQuery(storesQuery(search.merchant ?? ''));
  const { data: merchants } = useQuery(merchantsQuery());
  const set = (part: Partial<typeof search>, replace = false) => void navigate({ search: (before) => ({ ...before, ...part }), replace });
  return (
    <>
      <PageHead title="Stores" lede="Each place of each merchant, what it shows, and when its feed last came.">
        {mayAdd && (
          <>
            <Button variant="default" onClick={() => set({ add: 'merchant' })}>Add a merchant</Button>
            <Button leftSection={<IconPlus size={16} />} onClick={() => set({ add: 'store' })}>Add a store</Button>
          </>
        )}
      </PageHead>
      <div className={surface.stack}>
        {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
        <Card flush>
          <DataTable
            id="stores"
            label="Stores"
            rows={query.data ?? []}
            columns={storeColumns(!search.merchant && !isMerchantUser(caller) && merchants?.length !== 1)}
            rowKey={storeKey}
            loading={query.isPending}
            failed={query.isError}
            view={search}
            onView={(view) => set(view, true)}
            address={storeAddress}
            bar={<MerchantPicker value={search.merchant} onChange={(merchant) => set({ merchant })} />}
            empty={
              <Empty
                icon={<IconStore size={32} />}
                title="No stores yet"
                action={mayAdd && <Button onClick={() => set({ add: 'store' })}>Add a store</Button>}
                command="bodega store create --merchant M --id 1 --name NAME"
              >
                A store is one place of a merchant, with its own prices and its own menu.
              </Empty>
            }
          />
        </Card>
      </div>
      <Suspense fallback={null}>
        {mayAdd && search.add === 'store' && <AddStore merchantId={search.merchant} onClose={() => set({ add: undefined }, true)} />}
        {mayAdd && search.add === 'merchant' && <AddMerchant onClose={() => set({ add: undefined }, true)} />}
      </Suspense>
    </>
  );
}

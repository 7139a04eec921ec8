import { getRouteApi } from '@tanstack/react-router';
import { ItemList, ItemQuery, VisibilityChoice, visibilities } from '../app/ItemList';
import { MerchantPicker, StorePicker } from '../app/pickers';
import { Visibility } from '../gen/bodega/inventory/v1/item_pb';
import { PageHead, surface } from '../ui/surface';

const route = getRouteApi('/app/inventory/items');

export function Items() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (part: Partial<typeof search>, replace = false) => void navigate({ search: (before) => ({ ...before, ...part }), replace });
  return (
    <>
      <PageHead title="Items" lede="Every item of every store: what shoppers see of it, and why they do not." />
      <div className={surface.stack}>
        <ItemList
          filter={{
            merchantId: search.merchant ?? '',
            storeId: search.store ?? '',
            query: search.q ?? '',
            visibility: visibilities[search.visibility ?? ''] ?? Visibility.UNSPECIFIED,
            category: search.category ?? '',
          }}
          view={search}
          onView={(view) => set(view, true)}
          search={<ItemQuery value={search.q} onChange={(q) => set({ q }, true)} />}
          bar={
            <>
              <MerchantPicker value={search.merchant} onChange={(merchant) => set({ merchant, store: undefined })} />
              {search.merchant && <StorePicker merchantId={search.merchant} value={search.store} onChange={(store) => set({ store })} />}
              <VisibilityChoice value={search.visibility} onChange={(visibility) => set({ visibility })} />
            </>
          }
        />
      </div>
    </>
  );
}

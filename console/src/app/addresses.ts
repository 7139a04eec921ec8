import { currentTenant } from '../api/session';

// The addresses of things, for what is drawn too often to ask the router.
function address(...parts: string[]): string {
  const path = `/inventory/${parts.map(encodeURIComponent).join('/')}`;
  return currentTenant() ? `${path}?tenant=${encodeURIComponent(currentTenant())}` : path;
}

export function itemAddress({ merchantId, storeId, itemId }: { merchantId: string; storeId: string; itemId: string }): string {
  return address('items', merchantId, storeId, itemId);
}

export function storeAddress({ merchantId, storeId }: { merchantId: string; storeId: string }): string {
  return address('stores', merchantId, storeId);
}

export function feedAddress({ feedId }: { feedId: string }): string {
  return address('feeds', feedId);
}

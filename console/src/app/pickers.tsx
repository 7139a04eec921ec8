import { Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { merchantsQuery, storesQuery } from './queries';
import { isMerchantUser, useCaller } from './useCaller';

interface PickerProps {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  label?: string;
  required?: boolean;
}

/** Chooses a merchant; hidden from those who see one alone. */
export function MerchantPicker({ value, onChange, label, required }: PickerProps) {
  const caller = useCaller();
  const { data: merchants } = useQuery(merchantsQuery());
  if (!required && (isMerchantUser(caller) || merchants?.length === 1)) return null;
  return (
    <Select
      label={label}
      aria-label={label ? undefined : 'Merchant'}
      placeholder={required ? 'Choose a merchant' : 'All merchants'}
      data={(merchants ?? []).map((merchant) => ({ value: merchant.merchantId, label: merchant.name }))}
      value={value ?? null}
      onChange={(next) => onChange(next ?? undefined)}
      clearable={!required}
      withAsterisk={required && label !== undefined}
      searchable
      w={label ? undefined : 190}
      clearButtonProps={{ 'aria-label': 'Show all merchants' }}
    />
  );
}

/** Chooses one store of a merchant. */
export function StorePicker({ merchantId, value, onChange, label, placeholder }: PickerProps & { merchantId: string; placeholder?: string }) {
  // Without a merchant the ids would collide: every merchant numbers its stores from 1.
  const { data: stores } = useQuery({ ...storesQuery(merchantId), enabled: merchantId !== '' });
  return (
    <Select
      label={label}
      aria-label={label ? undefined : 'Store'}
      placeholder={placeholder ?? 'All stores'}
      data={(merchantId ? (stores ?? []) : []).map((store) => ({ value: store.storeId, label: store.name === store.storeId ? store.name : `${store.name} (${store.storeId})` }))}
      value={value ?? null}
      onChange={(next) => onChange(next ?? undefined)}
      clearable
      searchable
      disabled={!merchantId}
      w={label ? undefined : 210}
      clearButtonProps={{ 'aria-label': 'Show all stores' }}
    />
  );
}

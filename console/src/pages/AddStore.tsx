import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api } from '../api/clients';
import { MerchantPicker } from '../app/pickers';
import { useSubmit } from '../app/useSubmit';
import { ProblemNotice } from '../ui/atoms';
import { Dialog } from '../ui/Dialog';
import { surface } from '../ui/surface';
import { toast } from '../ui/toast';

export function AddStore({ merchantId, onClose }: { merchantId: string | undefined; onClose: () => void }) {
  const [merchant, setMerchant] = useState(merchantId);
  const [storeId, setStoreId] = useState('');
  const [name, setName] = useState('');
  const [region, setRegion] = useState('');
  const form = useSubmit(async (key) => {
    await api().merchants.createStore({ merchantId: merchant ?? '', storeId, name, region, idempotencyKey: key });
    toast({ tone: 'ok', title: `${name} added` });
    onClose();
  });
  return (
    <Dialog onClose={onClose} title="Add a store">
      <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16 }}>
        {form.error !== undefined && <ProblemNotice error={form.error} />}
        <MerchantPicker label="Merchant" required value={merchant} onChange={setMerchant} />
        <TextInput data-autofocus={merchantId ? true : undefined} label="Store id" description="As the merchant numbers it in its files" required pattern="[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}" title="Letters, digits, dot, dash and underscore; at most 64" value={storeId} onChange={(event) => setStoreId(event.currentTarget.value)} />
        <TextInput label="Name" required maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput label="Region" maxLength={64} value={region} onChange={(event) => setRegion(event.currentTarget.value)} />
        <Button type="submit" loading={form.busy} disabled={!merchant}>Add the store</Button>
      </form>
    </Dialog>
  );
}

export function AddMerchant({ onClose }: { onClose: () => void }) {
  const [merchantId, setMerchantId] = useState('');
  const [name, setName] = useState('');
  const [currency, setCurrency] = useState('');
  const form = useSubmit(async (key) => {
    await api().merchants.createMerchant({ merchantId, name, currency, idempotencyKey: key });
    toast({ tone: 'ok', title: `${name} added` });
    onClose();
  });
  return (
    <Dialog onClose={onClose} title="Add a merchant">
      <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16 }}>
        {form.error !== undefined && <ProblemNotice error={form.error} />}
        <TextInput data-autofocus label="Name" required maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput label="Merchant id" description="Stands in addresses and commands; it cannot change later" required pattern="[a-z0-9][a-z0-9_\-]{0,62}" title="Small letters, digits, dash and underscore; at most 63" value={merchantId} onChange={(event) => setMerchantId(event.currentTarget.value)} />
        <TextInput label="Currency" description="ISO 4217 code, such as USD; every price of this merchant is in it" required pattern="[A-Z]{3}" title="Three capital letters" value={currency} onChange={(event) => setCurrency(event.currentTarget.value.toUpperCase())} />
        <Button type="submit" loading={form.busy}>Add the merchant</Button>
      </form>
    </Dialog>
  );
}

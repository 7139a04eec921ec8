import { Button, NumberInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api/clients';
import { refreshInventory } from '../app/queries';
import { useSubmit } from '../app/useSubmit';
import type { Store } from '../gen/bodega/inventory/v1/merchant_pb';
import { ProblemNotice } from '../ui/atoms';
import { countOf, currencyExponent, formatMoney } from '../ui/format';
import { Card, surface } from '../ui/surface';
import { toast } from '../ui/toast';

/** How a store's prices come out of its merchant's. */
export function PriceSettings({ store }: { store: Store }) {
  const navigate = useNavigate();
  const [percent, setPercent] = useState<number | string>((store.settings?.inflationBasisPoints ?? 0) / 100);
  const [round, setRound] = useState<number | string>(store.settings?.roundToMinor ?? 0);
  const basisPoints = Math.round(Number(percent) * 100);
  const roundTo = Number(round);
  // One price carried through shows what the two numbers mean.
  const sample = 10n * 10n ** BigInt(currencyExponent(store.currency)) - 1n;
  const raised = Math.round((Number(sample) * (10_000 + basisPoints)) / 10_000);
  const rounded = roundTo > 1 ? Math.round(raised / roundTo) * roundTo : raised;
  const form = useSubmit(async (key) => {
    const before = store.settings;
    const { feedId } = await api().merchants.setPriceSettings({
      merchantId: store.merchantId,
      storeId: store.storeId,
      settings: { inflationBasisPoints: basisPoints, roundToMinor: roundTo },
      idempotencyKey: key,
    });
    toast({
      tone: 'ok',
      title: `Price settings of ${store.name} changed`,
      detail: `Its ${countOf(store.items, 'item')} are judged again now.`,
      undo: () =>
        void api()
          .merchants.setPriceSettings({
            merchantId: store.merchantId,
            storeId: store.storeId,
            settings: { inflationBasisPoints: before?.inflationBasisPoints ?? 0, roundToMinor: before?.roundToMinor ?? 0 },
            idempotencyKey: `${key}-undo`,
          })
          .then(refreshInventory),
    });
    if (feedId) void navigate({ to: '/inventory/feeds/$feedId', params: { feedId } });
  });
  return (
    <Card title="How prices are computed" note={`Changing them judges the store’s ${countOf(store.items, 'item')} again`}>
      <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16, maxWidth: 420 }}>
        {form.error !== undefined && <ProblemNotice error={form.error} />}
        <NumberInput label="Added to every price" suffix="%" decimalScale={2} step={0.5} min={-50} max={200} value={percent} onChange={setPercent} />
        <NumberInput label="Rounded to a multiple of" description="In minor units of the currency; 0 leaves prices as they are" min={0} max={10_000} allowDecimal={false} value={round} onChange={setRound} />
        <p className={surface.muted}>
          {formatMoney(sample, store.currency)} in the merchant’s file becomes <strong className="tabular">{formatMoney(BigInt(rounded), store.currency)}</strong> here.
        </p>
        <Button type="submit" loading={form.busy} style={{ alignSelf: 'start' }}>Change the settings</Button>
      </form>
    </Card>
  );
}

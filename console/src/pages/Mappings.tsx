import { Button, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { api } from '../api/clients';
import { toProblem } from '../api/problem';
import { MerchantPicker } from '../app/pickers';
import { mappingQuery, merchantsQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { useSubmit } from '../app/useSubmit';
import { Command, CopyId, Empty, ProblemNotice } from '../ui/atoms';
import { IconMapping } from '../ui/icons';
import { Card, PageHead, SkeletonLines, surface } from '../ui/surface';
import { toast } from '../ui/toast';

const route = getRouteApi('/app/inventory/mappings');

export function Mappings() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: merchants, isPending: choosing } = useQuery(merchantsQuery());
  const merchantId = search.merchant ?? merchants?.[0]?.merchantId ?? '';
  const { data, error, isPending, refetch } = useQuery(mappingQuery(merchantId));
  const missing = error !== null && toProblem(error).notFound;
  return (
    <>
      <PageHead title="Mappings" lede="How a merchant’s own columns become items: one profile per kind of file, versioned by its content.">
        <MerchantPicker required value={merchantId || undefined} onChange={(merchant) => void navigate({ search: { merchant } })} />
      </PageHead>
      <div className={surface.stack}>
        {error && !missing && <ProblemNotice error={error} retry={() => void refetch()} />}
        {(merchantId ? isPending : choosing) && <Card title="Profile"><SkeletonLines lines={10} /></Card>}
        {(data || missing) && <Profile key={`${merchantId} ${data?.version ?? ''}`} merchantId={merchantId} name={data?.name ?? ''} version={data?.version ?? ''} yaml={data ? new TextDecoder().decode(data.yaml) : ''} />}
        {merchants?.length === 0 && (
          <Card flush>
            <Empty icon={<IconMapping size={32} />} title="No merchant yet" command="bodega merchant create --id M --name NAME --currency USD">
              A mapping profile belongs to a merchant.
            </Empty>
          </Card>
        )}
      </div>
    </>
  );
}

function Profile({ merchantId, name, version, yaml }: { merchantId: string; name: string; version: string; yaml: string }) {
  const mayWrite = useMay('inventory.mapping.write');
  const [text, setText] = useState(yaml);
  useEffect(() => setText(yaml), [yaml]);
  const form = useSubmit(async (key) => {
    const applied = await api().merchants.applyMapping({ merchantId, yaml: new TextEncoder().encode(text), idempotencyKey: key });
    toast({ tone: 'ok', title: `Mapping ${applied.name} applied`, detail: applied.version === version ? 'It is the same as before.' : 'Later feeds are read with it.' });
  });
  return (
    <Card title={name || 'No profile yet'} note={version ? <>Version <CopyId id={version} what="Mapping version" /></> : 'Apply one to read this merchant’s files.'}>
      <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16 }}>
        {form.error !== undefined && <ProblemNotice error={form.error} />}
        <Textarea
          label="Profile (YAML)"
          autosize
          minRows={14}
          maxRows={32}
          spellCheck={false}
          readOnly={!mayWrite}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } }}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {mayWrite && (
          <div className={surface.actions}>
            <Button type="submit" loading={form.busy} disabled={text === yaml || text.trim() === ''}>Apply the profile</Button>
            {text !== yaml && <Button variant="subtle" color="gray" onClick={() => setText(yaml)}>Take changes back</Button>}
          </div>
        )}
        <Command>{`bodega mapping apply --merchant ${merchantId} --file MAPPING.yaml`}</Command>
      </form>
    </Card>
  );
}

import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense, useMemo, useState } from 'react';
import { BarList } from '../charts/parts';
import { usualRange } from '../charts/scale';
import { Timeline } from '../charts/Timeline';
import { MerchantPicker } from '../app/pickers';
import { overviewQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import type { GetOverviewResponse } from '../gen/bodega/inventory/v1/console_pb';
import { ProblemNotice } from '../ui/atoms';
import { countOf, formatCount, formatDuration, formatShare, toDate } from '../ui/format';
import { Card, Metric, PageHead, SkeletonLines, surface } from '../ui/surface';
import { hiddenReasonLabel, type Tone } from '../ui/words';

// Below the charts: it comes while they are looked at.
const OverviewStores = lazy(() => import('./OverviewStores').then((module) => ({ default: module.OverviewStores })));

const route = getRouteApi('/app/inventory/');
const spans = [
  { value: '1', label: '1 h' },
  { value: '6', label: '6 h' },
  { value: '24', label: '24 h' },
  { value: '168', label: '7 d' },
  { value: '720', label: '30 d' },
];

export function Overview() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const maySubmit = useMay('inventory.feed.submit');
  // Without a wish the server takes the least range that shows the day's work.
  const asked = Number(search.hours) || 0;
  const { data, error, refetch } = useQuery({ ...overviewQuery(search.merchant ?? '', asked), placeholderData: (before) => before });
  const hours = asked || (data ? Math.round((Number(data.stepMs) * data.throughput.length) / 3600_000) : 24);
  const merchant = data?.merchants.find((one) => one.merchantId === search.merchant);

  return (
    <>
      <PageHead title="Inventory" lede={merchant ? `${merchant.name}: what its stores sell now, and how feeds became that.` : 'What every store sells now, and how feeds became that.'}>
        <MerchantPicker value={search.merchant} onChange={(next) => void navigate({ search: (before) => ({ ...before, merchant: next }) })} />
        <SegmentedControl
          aria-label="Time range of the charts"
          size="xs"
          data={spans}
          value={asked || data ? String(hours) : ''}
          onChange={(value) => void navigate({ search: (before) => ({ ...before, hours: value }) })}
        />
        {maySubmit && <Link to="/inventory/feeds/submit" search={search.merchant ? { merchant: search.merchant } : {}} className={surface.linkButton} data-primary>Submit a feed</Link>}
      </PageHead>
      <div className={surface.stack}>
        {error && <ProblemNotice error={error} retry={() => void refetch()} />}
        {data ? <OverviewBody data={data} hours={hours} /> : !error && <OverviewSkeleton />}
      </div>
    </>
  );
}

function OverviewBody({ data, hours }: { data: GetOverviewResponse; hours: number }) {
  const search = route.useSearch();
  const [hovered, setHovered] = useState<number>();
  const at = useMemo(() => data.throughput.map((point) => toDate(point.at) ?? new Date(0)), [data.throughput]);
  const values = (pick: (point: GetOverviewResponse['throughput'][number]) => bigint) => data.throughput.map((point) => Number(pick(point)));
  const stepNote = data.stepMs > 0n ? `rows per ${formatDuration(data.stepMs)}` : 'rows';
  const fromHere = search.merchant ? `merchant=${encodeURIComponent(search.merchant)}&` : '';
  const feeds = data.throughput.reduce((sum, point) => sum + Number(point.feeds), 0);

  return (
    <>
      <div className={surface.metrics}>
        <Metric label="Items" value={formatCount(data.items)} note={`in ${countOf(data.stores.length, 'store')}`} />
        <Metric label="Shown to shoppers" value={formatCount(data.shown)} note={formatShare(data.shown, data.items)} />
        <Metric label="Hidden" value={formatCount(data.hidden)} note={formatShare(data.hidden, data.items)} href={`/inventory/items?${fromHere}visibility=hidden`} />
        <Metric label="Held for a person" value={formatCount(data.held)} note={formatShare(data.held, data.items)} href={`/inventory/holds${fromHere ? `?${fromHere.slice(0, -1)}` : ''}`} />
        <Metric label="Feeds" value={formatCount(feeds)} note={`in the last ${hours === 1 ? 'hour' : formatDuration(hours * 3600_000)}`} />
      </div>
      <div className={surface.grid} style={{ '--least': '420px' } as React.CSSProperties}>
        <Card title="Rows through the pipeline" note={<span title="From the 10th to the 90th percentile of the steps shown">{stepNote}{usualRange(values((point) => point.applied)) && '; the band is the usual range of applied rows'}</span>}>
          <Timeline
            label="Rows through the pipeline"
            at={at}
            unit="rows"
            hovered={hovered}
            onHover={setHovered}
            series={[
              { label: 'Applied', tone: 'info', values: values((point) => point.applied), showUsual: true },
              { label: 'Unchanged', tone: 'quiet', values: values((point) => point.unchanged) },
            ]}
          />
        </Card>
        <Card title="Rows that did not get through" note={stepNote}>
          <Timeline
            label="Rows held and rejected"
            at={at}
            unit="rows"
            hovered={hovered}
            onHover={setHovered}
            series={[
              { label: 'Held', tone: 'warn', values: values((point) => point.held) },
              { label: 'Rejected', tone: 'bad', values: values((point) => point.rejected) },
            ]}
          />
        </Card>
      </div>
      <Card title="Why items are hidden" note={`${countOf(data.hidden, 'hidden item')} by the first reason that hides each`}>
        {data.hiddenReasons.length === 0 ? (
          <p className={surface.muted}>Nothing is hidden: shoppers see every item.</p>
        ) : (
          <BarList
            total={Number(data.hidden)}
            unit="items, "
            bars={data.hiddenReasons.map((reason) => ({
              key: reason.reason,
              label: hiddenReasonLabel(reason.reason),
              value: Number(reason.items),
              tone: reasonTone(reason.reason),
              href: '/inventory/items',
              search: { ...(search.merchant ? { merchant: search.merchant } : {}), visibility: 'hidden', filter: hiddenReasonLabel(reason.reason) },
            }))}
          />
        )}
      </Card>
      <Card title="Stores" flush>
        <Suspense fallback={<div className={surface.cardBody}><SkeletonLines lines={8} height={20} /></div>}>
          <OverviewStores data={data} />
        </Suspense>
      </Card>
    </>
  );
}

function reasonTone(reason: string): Tone {
  return reason === 'no_good_price' ? 'bad' : reason === 'predicted_out_of_stock' ? 'info' : 'quiet';
}

function OverviewSkeleton() {
  return (
    <>
      <div className={surface.metrics}>
        {['Items', 'Shown to shoppers', 'Hidden', 'Held for a person', 'Feeds'].map((label) => (
          <Metric key={label} label={label} value={<SkeletonLines lines={1} height={24} />} note={<SkeletonLines lines={1} height={12} />} />
        ))}
      </div>
      <div className={surface.grid} style={{ '--least': '420px' } as React.CSSProperties}>
        <Card title="Rows through the pipeline"><div style={{ height: 196 }}><SkeletonLines lines={6} height={16} /></div></Card>
        <Card title="Rows that did not get through"><div style={{ height: 196 }}><SkeletonLines lines={6} height={16} /></div></Card>
      </div>
      <Card title="Why items are hidden"><SkeletonLines lines={6} /></Card>
      <Card title="Stores"><SkeletonLines lines={8} height={20} /></Card>
    </>
  );
}

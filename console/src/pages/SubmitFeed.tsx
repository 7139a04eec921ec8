import { Button, Progress, SegmentedControl, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useBlocker, useNavigate } from '@tanstack/react-router';
import { useDebouncedValue } from '@mantine/hooks';
import { lazy, Suspense, useEffect, useRef, useState, type DragEvent } from 'react';
import { toProblem } from '../api/problem';
import { submitFeed, type FeedKindName, type UploadProgress } from '../api/upload';
import { MerchantPicker, StorePicker } from '../app/pickers';
import { merchantsQuery, previewQuery, refreshInventory } from '../app/queries';
import { useCaller } from '../app/useCaller';
import { Command, FileName, ProblemNotice } from '../ui/atoms';
import { formatBytes, formatDuration, formatShare } from '../ui/format';
import { IconFile, IconUpload } from '../ui/icons';
import { Card, Notice, PageHead, surface } from '../ui/surface';
import { toast } from '../ui/toast';
import { FileSummary } from './FileSummary';
import css from './SubmitFeed.module.css';

// Fetched with the answer about a file.
const FileDetails = lazy(() => import('./FileDetails').then((module) => ({ default: module.FileDetails })));

const route = getRouteApi('/app/inventory/feeds/submit');
const kinds: { value: FeedKindName; label: string; meaning: string }[] = [
  { value: 'full', label: 'Full', meaning: 'The whole store: an item that the file does not name is delisted.' },
  { value: 'delta', label: 'Delta', meaning: 'Some items: the others stay as they are.' },
  { value: 'availability', label: 'Availability', meaning: 'Some items’ availability alone: prices stay as they are.' },
];

export function SubmitFeed() {
  const search = route.useSearch();
  const pageNavigate = route.useNavigate();
  const navigate = useNavigate();
  const caller = useCaller();
  const { data: merchants } = useQuery(merchantsQuery());
  const [file, setFile] = useState<File>();
  const [chosen, setChosen] = useState(0);
  const [progress, setProgress] = useState<UploadProgress>();
  const [error, setError] = useState<unknown>();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const abort = useRef<AbortController>(null);

  const only = merchants?.length === 1 ? merchants[0]?.merchantId : undefined;
  const merchantId = search.merchant ?? (caller?.merchantId || only || '');
  const kind = kinds.find((one) => one.value === search.kind) ?? kinds[0]!;
  const set = (part: Partial<typeof search>) => void pageNavigate({ search: (before) => ({ ...before, ...part }), replace: true });
  const sending = progress !== undefined;
  useEffect(() => () => abort.current?.abort(), []);
  // Asked of the upload itself: what was drawn last may still show one that has just ended.
  const uploading = () => abort.current !== null && !abort.current.signal.aborted;
  useBlocker({
    shouldBlockFn: () => uploading() && !window.confirm('The file is still being sent. Leave this page and stop the upload?'),
    enableBeforeUnload: uploading,
  });

  const choose = (next: File | undefined) => {
    setFile(next);
    setChosen((before) => before + 1);
    setError(undefined);
  };
  const upload = { merchantId, storeId: search.store ?? '', kind: kind.value, mapping: search.mapping ?? '' };
  const [mapping] = useDebouncedValue(upload.mapping, 400);
  const preview = useQuery(previewQuery({ ...upload, mapping }, file, chosen));

  const send = async () => {
    if (!file) return;
    setError(undefined);
    setProgress({ sentBytes: 0, totalBytes: file.size, bytesPerSecond: 0 });
    abort.current = new AbortController();
    try {
      const submitted = await submitFeed(
        { ...upload, file },
        setProgress,
        abort.current.signal,
      );
      abort.current = null;
      setProgress(undefined);
      refreshInventory();
      if (submitted.resend) toast({ tone: 'info', title: 'This file is known already', detail: 'It is the newest feed as it stands, so it was not read again. Here is its account.' });
      void navigate({ to: '/inventory/feeds/$feedId', params: { feedId: submitted.feedId } });
    } catch (problem) {
      abort.current = null;
      setProgress(undefined);
      if (!(problem instanceof DOMException && problem.name === 'AbortError')) setError(problem);
    }
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped && !sending) choose(dropped);
  };
  const command = [
    'bodega feed submit',
    `--merchant ${merchantId || 'M'}`,
    ...(search.store ? [`--store ${search.store}`] : []),
    `--kind ${kind.value}`,
    ...(search.mapping ? [`--mapping ${search.mapping}`] : []),
    file ? (/[^\w.-]/.test(file.name) ? `'${file.name.replaceAll("'", "'\\''")}'` : file.name) : 'FILE',
  ].join(' ');

  return (
    <>
      <PageHead title="Submit a feed" lede="Send a merchant’s file as it is: CSV, JSON or XML, messy or not. Every row is accounted for." />
      <div className={css.columns}>
        <div className={surface.stack}>
          {error !== undefined && <ProblemNotice error={error} retry={toProblem(error).retryable ? () => void send() : undefined} />}
          <div
            className={css.drop}
            data-over={over || undefined}
            data-chosen={file !== undefined || undefined}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(true);
            }}
            onDragLeave={() => setOver(false)}
            onDrop={onDrop}
          >
            <input
              ref={input}
              type="file"
              className="unseen"
              tabIndex={-1}
              aria-label="The file to submit"
              onClick={(event) => { event.currentTarget.value = ''; }}
              onChange={(event) => choose(event.currentTarget.files?.[0] ?? undefined)}
            />
            {file ? (
              <>
                <IconFile size={22} aria-hidden />
                <div className={css.file}>
                  <strong><FileName name={file.name} /></strong>
                  <div className={surface.second}>{formatBytes(file.size)}</div>
                </div>
                {!sending && (
                  <Button size="compact-sm" variant="default" onClick={() => input.current?.click()}>Choose another</Button>
                )}
              </>
            ) : (
              <>
                <IconUpload size={32} aria-hidden />
                <strong>Drop the file here</strong>
                <span className={surface.second}>You see what is wrong with it before it is sent.</span>
                <Button variant="default" onClick={() => input.current?.click()}>Choose a file</Button>
              </>
            )}
          </div>
          {progress && file && <Sending progress={progress} onStop={() => abort.current?.abort()} />}
          {file && !sending && (
            merchantId ? <FileSummary query={preview} /> : <Notice tone="info" title="Choose whose file it is">Then it is checked here, before anything is sent.</Notice>
          )}
        </div>
        <Card title="What it is">
          <div className={surface.stack} style={{ gap: 16 }}>
            <MerchantPicker label="Merchant" required value={merchantId || undefined} onChange={(merchant) => set({ merchant, store: undefined })} />
            <StorePicker label="Store" merchantId={merchantId} placeholder="The rows name their stores" value={search.store} onChange={(store) => set({ store })} />
            <div>
              <div id="kind-label" className={css.label}>Kind</div>
              <SegmentedControl
                fullWidth
                aria-labelledby="kind-label"
                data={kinds.map(({ value, label }) => ({ value, label }))}
                value={kind.value}
                onChange={(value) => set({ kind: value })}
              />
              <p className={surface.second} style={{ marginTop: 6 }}>{kind.meaning}</p>
            </div>
            <TextInput
              label="Mapping profile"
              placeholder={merchants?.find((one) => one.merchantId === merchantId)?.mappingName || 'The merchant’s newest'}
              value={search.mapping ?? ''}
              onChange={(event) => set({ mapping: event.currentTarget.value || undefined })}
            />
            <Button onClick={() => void send()} disabled={!file || !merchantId} loading={sending} leftSection={<IconUpload size={16} />}>{preview.data?.error ? 'Submit it all the same' : 'Submit the feed'}</Button>
            <div>
              <div className={css.label}>The same from a terminal</div>
              <Command>{command}</Command>
            </div>
          </div>
        </Card>
      </div>
      {file && !sending && preview.data && (
        <div className={`${surface.stack} ${css.details}`}><Suspense fallback={null}><FileDetails data={preview.data} search={search} onView={set} /></Suspense></div>
      )}
    </>
  );
}

function Sending({ progress, onStop }: { progress: UploadProgress; onStop: () => void }) {
  const { sentBytes, totalBytes, bytesPerSecond } = progress;
  const left = bytesPerSecond > 0 ? ((totalBytes - sentBytes) / bytesPerSecond) * 1000 : 0;
  const sent = sentBytes >= totalBytes && totalBytes > 0;
  return (
    <Card
      title={sent ? 'Sent; the server is keeping it' : 'Sending'}
      note={sent ? 'The feed opens as soon as the server has named it.' : 'Once it has been sent, the work goes on even when this tab is closed.'}
      aside={<Button size="compact-sm" variant="default" onClick={onStop}>Stop</Button>}
    >
      <Progress.Root size={10}>
        <Progress.Section value={totalBytes > 0 ? (sentBytes / totalBytes) * 100 : 100} aria-label="Upload" />
      </Progress.Root>
      <div className={`${surface.second} tabular`} style={{ marginTop: 8, display: 'flex', justifyContent: 'space-between', gap: 12, flexWrap: 'wrap' }}>
        <span>{formatBytes(sentBytes)} of {formatBytes(totalBytes)} ({formatShare(sentBytes, totalBytes)})</span>
        <span>{formatBytes(Math.round(bytesPerSecond))}/s{left >= 1000 ? ` · ${formatDuration(left)} left` : ''}</span>
      </div>
    </Card>
  );
}

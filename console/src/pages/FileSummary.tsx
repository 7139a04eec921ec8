import type { UseQueryResult } from '@tanstack/react-query';
import { problemsOf, type Preview } from '../api/upload';
import { PartNumbers, StackedBar } from '../charts/parts';
import { ProblemNotice } from '../ui/atoms';
import { countOf, formatCount } from '../ui/format';
import { Card, Notice, SkeletonLines, State } from '../ui/surface';
import { readable } from '../ui/words';

const delimiters: Record<string, string> = { ',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'bars' };

/** What the server makes of a file before it is sent, in numbers. */
export function FileSummary({ query }: { query: UseQueryResult<Preview> }) {
  const { data, error, refetch } = query;
  if (error) return <ProblemNotice error={error} retry={() => void refetch()} />;
  if (!data) return <Card title="Looking at the file"><SkeletonLines lines={5} height={18} /></Card>;
  const problems = problemsOf(data);
  const parts = [
    { label: 'Readable', value: data.good, tone: 'ok' as const },
    { label: 'Rejected', value: data.rejected, tone: 'bad' as const },
    { label: 'Duplicates', value: data.duplicates, tone: 'info' as const },
  ];
  const format = [
    data.format.toUpperCase(),
    data.delimiter && `separated by ${delimiters[data.delimiter] ?? `“${data.delimiter}”`}`,
    data.encoding.toUpperCase(),
    data.compression && data.compression !== 'none' && data.compression,
    `read with the mapping ${data.mapping}`,
  ].filter(Boolean).join(', ');
  return (
    <>
      {data.error && (
        <Notice tone="bad" title={data.rows === 0 ? 'This file cannot be read' : `The file cannot be read on after row ${formatCount(data.error.after_row)}`}>
          {readable(data.error.detail)}. Nothing has been sent.
        </Notice>
      )}
      {data.rows > 0 && (
        <Card
          title={`${countOf(data.rows, 'row')} ${data.whole ? 'in the file' : 'at the beginning of the file'}`}
          note={data.whole ? format : `${format}. All rows are checked once the file has been sent.`}
          aside={<State word={data.rejected > 0 ? { label: `${formatCount(data.rejected)} would be rejected`, tone: 'bad' } : problems > 0 ? { label: 'Readable, with notes', tone: 'warn' } : { label: 'Nothing wrong', tone: 'ok' }} />}
        >
          <StackedBar label="Rows" parts={parts} />
          <PartNumbers parts={parts} total={data.rows} />
        </Card>
      )}
    </>
  );
}

import { problemsOf, type Preview, type PreviewProblem } from '../api/upload';
import { DataTable, type Column, type TableView } from '../ui/DataTable';
import { countOf, formatCount } from '../ui/format';
import { Card, State, surface } from '../ui/surface';
import { readable, type Word } from '../ui/words';
import css from './SubmitFeed.module.css';

const severities: Record<PreviewProblem['severity'], Word> = {
  rejected: { label: 'Row rejected', tone: 'bad' },
  dropped: { label: 'Value dropped', tone: 'warn' },
  noted: { label: 'Noted', tone: 'info' },
};

const columns: Column<PreviewProblem>[] = [
  { key: 'row', title: 'Row', width: 76, align: 'end', value: (problem) => problem.row, cell: (problem) => <span title={problem.line ? `Line ${formatCount(problem.line)} of the file` : undefined}>{formatCount(problem.row)}</span> },
  { key: 'column', title: 'Column', width: 124, grow: 1, value: (problem) => problem.column, cell: (problem) => (problem.column ? <code title={problem.column}>{problem.column}</code> : <span className={surface.muted}>whole row</span>), phone: false },
  { key: 'value', title: 'Value', width: 100, grow: 1, value: (problem) => problem.value, cell: (problem) => problem.value && <code title={problem.value}>{problem.value}</code>, phone: false },
  { key: 'what', title: 'What is wrong', width: 190, grow: 4, value: (problem) => problem.detail, cell: (problem) => <span title={problem.detail}>{sentence(problem)}</span> },
  { key: 'fix', title: 'What to do', width: 150, grow: 3, value: (problem) => problem.fix, cell: (problem) => problem.fix && <span title={problem.fix}>{readable(problem.fix)}</span>, phone: false },
  { key: 'severity', title: 'Then', width: 148, value: (problem) => severities[problem.severity].label, cell: (problem) => <State word={severities[problem.severity]} />, phone: false },
];

function fieldNames(fields: string): string {
  return fields.split(',').map((field) => (field === 'gtin' ? 'GTIN' : readable(field))).join(', ');
}

function sentence({ value, detail }: PreviewProblem): string {
  return value ? `“${value}” ${detail}` : readable(detail);
}

/** What is wrong by row and column, and how the columns are read. */
export function FileDetails({ data, search, onView }: { data: Preview; search: TableView; onView: (view: TableView) => void }) {
  const problems = problemsOf(data);
  return (
    <>
      {problems > 0 && (
        <Card title="What is wrong" note={problems > data.problems.length ? `The first ${formatCount(data.problems.length)} of ${countOf(problems, 'problem')}` : `${countOf(problems, 'problem')}, by row and column`} flush>
          <DataTable id="preview" label="Problems" rows={data.problems} columns={columns} rowKey={(problem) => `${problem.row} ${problem.column} ${problem.reason}`} view={search} onView={onView} height="360px" />
        </Card>
      )}
      {data.columns.length > 0 && (
        <Card title="How its columns are read" note={`By the mapping ${data.mapping}; a column that it does not know is passed over`} flush>
          <div className={css.read} tabIndex={0} role="region" aria-label="Columns of the file">
            <table>
              <thead><tr><th scope="col">Column</th><th scope="col">Read as</th><th scope="col">Sample</th></tr></thead>
              <tbody>
                {data.columns.map((column) => (
                  <tr key={column.name}>
                    <td><code>{column.name}</code></td>
                    <td>{column.field ? fieldNames(column.field) : <span className={surface.muted}>not read</span>}</td>
                    <td className={surface.second}>{column.sample}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
    </>
  );
}

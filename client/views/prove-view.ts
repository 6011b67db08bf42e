// A proof's rows as a person reads them at a terminal.
import {
  type ProveFeature,
  type ProveResult,
  type ProveRow,
  proveFeatures,
  provePrimitives,
} from '../../contract/index.ts';
import { formatDuration } from '../quantity.ts';
import type { Terminal } from '../terminal.ts';
import { type Column, facts, printable, table } from './table.ts';

const featureWords = {
  run: 'run',
  stop: 'stop',
  drill: 'drill',
  live: 'live',
  shortOutage: 'short outage',
  coldRelocate: 'cold by vCenter',
  coldCopy: 'cold by copy',
  changes: 'changes',
} as const satisfies Record<ProveFeature, string>;

const time = (ms: number | undefined): string => (ms === undefined ? '–' : formatDuration(ms));
const neededFor = ({ primitive }: ProveRow): string =>
  provePrimitives[primitive].neededFor.map((each) => featureWords[each]).join(', ') || '–';

const columns: readonly Column<ProveRow>[] = [
  { title: 'PRIMITIVE', value: ({ primitive }) => primitive },
  { title: 'OUTCOME', value: ({ outcome }) => outcome },
  { title: 'TIME', align: 'right', value: ({ ms }) => time(ms) },
  { title: 'NEEDED FOR', value: neededFor },
  { title: 'WHAT', value: ({ primitive }) => provePrimitives[primitive].title },
];

const outcomeStyle = { held: 'green', refused: 'red', skipped: 'dim' } as const;

/** One row, as it becomes known. */
export function proveLine({ primitive, outcome, detail, ms }: ProveRow, terminal: Terminal): string {
  const took = ms === undefined ? '' : ` (${formatDuration(ms)})`;
  const word = terminal.style(outcomeStyle[outcome], outcome.padEnd(7));
  return `${word}  ${provePrimitives[primitive].title}${took}: ${printable(detail)}`;
}

export function proveText(result: ProveResult): string {
  const { rows, leftBehind } = result;
  const told = facts([
    ['proof', result.proveId],
    ['target', result.target],
    ['is', `${result.product}, API ${result.apiVersion}`],
    ['host', result.host === '' ? undefined : result.host],
    ['datastore', result.datastore],
    ['took', formatDuration(result.durationMs)],
    ...leftBehind.map((what) => ['left behind', what] as const),
  ]);
  const refused = facts(withOutcome(rows, 'refused').map(({ primitive, detail }) => [primitive, detail]));
  const verdicts = facts(
    (Object.keys(proveFeatures) as ProveFeature[]).map((feature) => [
      proveFeatures[feature],
      verdictText(result, feature),
    ]),
  );
  const parts = [told, table(columns, rows), refused, skippedText(rows), verdicts];
  return parts.filter((part) => part !== '').join('\n\n');
}

const withOutcome = (rows: readonly ProveRow[], outcome: ProveRow['outcome']): readonly ProveRow[] =>
  rows.filter((row) => row.outcome === outcome);
const namesOf = (rows: readonly ProveRow[]): string => rows.map(({ primitive }) => primitive).join(', ');

/** A reason, and all that was skipped for it. */
function skippedText(rows: readonly ProveRow[]): string {
  const byReason = Map.groupBy(withOutcome(rows, 'skipped'), ({ detail }) => detail);
  return [...byReason].map(([reason, each]) => `${printable(reason)}:\n  ${namesOf(each)}`).join('\n');
}

function verdictText({ rows, features }: ProveResult, feature: ProveFeature): string {
  const needed = rows.filter(({ primitive }) =>
    (provePrimitives[primitive].neededFor as readonly ProveFeature[]).includes(feature),
  );
  switch (features[feature]) {
    case 'holds':
      return 'holds';
    case 'refused':
      return `REFUSED: ${namesOf(withOutcome(needed, 'refused'))}`;
    case 'unproven':
      return `not proven, for want of ${namesOf(withOutcome(needed, 'skipped'))}`;
  }
}

// A proof's rows as a person reads them at a terminal.
import {
  type ProveFeature,
  type ProveResult,
  type ProveRow,
  type ProveVerdict,
  proveFeatures,
  provePrimitives,
} from '../contract/index.ts';
import { formatDuration } from './quantity.ts';
import { type Column, facts, printable, table } from './table.ts';
import type { Terminal } from './terminal.ts';

const featureWords = {
  run: 'run',
  stop: 'stop',
  drill: 'drill',
  live: 'live',
  shortOutage: 'short outage',
  coldRelocate: 'cold, vCenter',
  coldCopy: 'cold, copy',
  changes: 'changes',
} as const satisfies Record<ProveFeature, string>;

const verdictWords = {
  holds: 'holds',
  refused: 'REFUSED: see what needs it above',
  unproven: 'not proven: something that it needs was not tried',
} as const satisfies Record<ProveVerdict, string>;

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
  const { rows, features, leftBehind } = result;
  const told = facts([
    ['proof', result.proveId],
    ['target', result.target],
    ['is', `${result.product}, API ${result.apiVersion}`],
    ['host', result.host === '' ? undefined : result.host],
    ['datastore', result.datastore],
    ['took', formatDuration(result.durationMs)],
    ...leftBehind.map((what) => ['left behind', what] as const),
  ]);
  const words = facts(
    rows.filter(({ outcome }) => outcome !== 'held').map(({ primitive, detail }) => [primitive, detail]),
  );
  const verdicts = facts(
    (Object.keys(proveFeatures) as ProveFeature[]).map((feature) => [
      proveFeatures[feature],
      verdictWords[features[feature]],
    ]),
  );
  return [told, '', table(columns, rows), ...(words === '' ? [] : ['', words]), '', verdicts].join('\n');
}

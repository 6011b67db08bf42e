// A drill's report as a person reads it at a terminal; the HTML at the site has the pictures.
import type { DrillResult, DrillVmReport } from '../../contract/index.ts';
import { formatDuration, formatTime } from '../quantity.ts';
import { type Column, facts, printable, table } from './table.ts';

const verdictWords = { passed: 'passed', failed: 'failed', notRun: 'not run' } as const;
const time = (ms: number | undefined): string => (ms === undefined ? '–' : formatDuration(ms));

const columns: readonly Column<DrillVmReport>[] = [
  { title: 'VM', value: ({ vmName }) => vmName },
  { title: 'VERDICT', value: ({ verdict }) => verdictWords[verdict] },
  { title: 'POWERED ON', align: 'right', value: ({ poweredOnMs }) => time(poweredOnMs) },
  { title: 'GUEST READY', align: 'right', value: ({ guestReadyMs }) => time(guestReadyMs) },
  { title: 'PICTURE', value: ({ picture }) => picture?.file ?? '–' },
];

export function drillText({ report, files }: DrillResult): string {
  const { vms, rtoMs, reason, leftBehind, startedAt, endedAt } = report;
  const told = facts([
    ['drill', report.drillId],
    ['verdict', reason === undefined ? report.verdict : `${report.verdict}: ${reason}`],
    ['began', formatTime(new Date(startedAt))],
    ['took', formatDuration(Date.parse(endedAt) - Date.parse(startedAt))],
    ['target time', rtoMs === undefined ? undefined : formatDuration(rtoMs)],
    ['from', `${report.backupSet} in ${report.vault}`],
    ['on', `${report.target}${report.host === undefined ? '' : `, host ${report.host}`}`],
    ['report', files.html],
    ...leftBehind.map((what) => ['left behind', what] as const),
  ]);
  const why = facts(
    vms.flatMap(({ vmName, reason: one, notes }) =>
      [one, ...notes].flatMap((text) => (text === undefined ? [] : [[printable(vmName), text] as const])),
    ),
  );
  return [told, '', table(columns, vms), ...(why === '' ? [] : ['', why])].join('\n');
}

const listColumns: readonly Column<DrillResult>[] = [
  { title: 'DRILL', value: ({ report }) => report.drillId },
  { title: 'VERDICT', value: ({ report }) => report.verdict },
  { title: 'BEGAN', value: ({ report }) => formatTime(new Date(report.startedAt)) },
  {
    title: 'PASSED',
    align: 'right',
    value: ({ report: { vms } }) =>
      `${vms.filter(({ verdict }) => verdict === 'passed').length} of ${vms.length}`,
  },
  { title: 'SLOWEST GUEST', align: 'right', value: ({ report }) => slowest(report.vms) },
  { title: 'SET', value: ({ report }) => report.backupSet },
  { title: 'REPORT', value: ({ files }) => files.html },
];

function slowest(vms: readonly DrillVmReport[]): string {
  const times = vms.flatMap(({ guestReadyMs }) => (guestReadyMs === undefined ? [] : [guestReadyMs]));
  return times.length === 0 ? '–' : formatDuration(Math.max(...times));
}

/** The newest first, as they come. */
export function drillTable(drills: readonly DrillResult[]): string {
  return drills.length === 0 ? 'No drill has written a report there yet.' : table(listColumns, drills);
}

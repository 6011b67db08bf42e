// A batch as a person reads it: a table of what became of each VM, and why where it is not what was wanted.
import { type BatchStatus, type BatchVm, type LogEntry, vmIsOver } from '../../contract/index.ts';
import { formatDuration } from '../quantity.ts';
import type { Terminal } from '../terminal.ts';
import { logLine } from './session-view.ts';
import { type Column, facts, printable, table } from './table.ts';

const stateWords: Partial<Record<BatchVm['state'], string>> = { notStarted: 'not started' };

function stateText({ state, migration }: BatchVm): string {
  const waits = migration === 'waiting' ? ', waits for its turn to be migrated' : '';
  return `${stateWords[state] ?? state}${waits}`;
}

function guestText({ guest, timings }: BatchVm): string {
  if (timings.guestReadyMs !== undefined) return formatDuration(timings.guestReadyMs);
  return guest === 'off' || guest === 'ready' ? '–' : guest;
}

const columns: readonly Column<BatchVm>[] = [
  { title: 'VM', value: ({ vmName }) => vmName },
  { title: 'SESSION', value: ({ sessionId }) => sessionId },
  { title: 'STATE', value: stateText },
  {
    title: 'POWERED ON',
    align: 'right',
    value: ({ timings: { poweredOnMs } }) => (poweredOnMs === undefined ? '–' : formatDuration(poweredOnMs)),
  },
  { title: 'GUEST READY', align: 'right', value: guestText },
  { title: 'JOB', value: ({ jobId }) => (jobId === '' ? '–' : jobId) },
];

/** What became of each, and below it why, where something is not as it was wanted. */
export function batchTable(vms: readonly BatchVm[]): string {
  const why = facts(
    vms.flatMap(({ vmName, failure }) =>
      failure === undefined ? [] : [[printable(vmName), `${failure.type}: ${failure.message}`] as const],
    ),
  );
  return [table(columns, vms), ...(why === '' ? [] : ['', why])].join('\n');
}

/** The facts of a batch, a line each. */
export function batchFacts({ batchId, state, backupSet, target, site, failure }: BatchStatus): string {
  return facts([
    ['batch', batchId],
    ['state', state],
    ['from', backupSet],
    ['target', target],
    ['site', site],
    ['failure', failure && `${failure.type}: ${failure.message}`],
  ]);
}

/** `starting  2 of 5 run, 1 to be started, 1 over`. */
function progressLine({ state, vms }: BatchStatus): string {
  const running = vms.filter((vm) => vm.state === 'running').length;
  const waiting = vms.filter((vm) => vm.state === 'waiting').length;
  const over = vms.filter(vmIsOver).length;
  return `${state}  ${running} of ${vms.length} run, ${waiting} to be started, ${over} over`;
}

/** Tells a change of the batch's status in both modes. */
export function showBatchChange(
  terminal: Terminal,
  status: BatchStatus,
  newEntries: readonly LogEntry[],
): void {
  for (const entry of newEntries) {
    terminal.print(logLine(entry, terminal));
    terminal.document({ event: 'log', ...entry });
  }
  const vms = status.vms.map(({ sessionId, state, powerState, guest, migration }) => {
    return { sessionId, state, powerState, guest, migration };
  });
  terminal.document({ event: 'progress', state: status.state, vms });
  terminal.progress(progressLine(status));
}

// A session as a person reads it: its facts, its log lines, its progress line; and as events for scripts.
import type {
  FinalizeMode,
  FinalizeStatus,
  HostQuestion,
  KeepStatus,
  LogEntry,
  OriginalStatus,
  SessionStatus,
  VerifyStatus,
} from '../../contract/index.ts';
import { formatBytes, formatClock, formatDuration } from '../quantity.ts';
import type { Terminal } from '../terminal.ts';
import { copyText, restoreText } from './restore-view.ts';
import { facts, printable } from './table.ts';
import { throttleText } from './throttle-view.ts';

const jobText = ({ backupSet, jobId }: SessionStatus): string =>
  `${backupSet}/${jobId === '' ? 'latest' : jobId}`;

function verifyText({ state, checkedBytes, totalBytes }: VerifyStatus): string {
  if (state === 'off' || totalBytes === 0) return state;
  return `${state}, ${formatBytes(checkedBytes)} of ${formatBytes(totalBytes)} checked`;
}

const afterCommand = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : `${formatDuration(ms)} after the command`;

/** How a VM got to production, after "migrated". */
export const finalizeModeWords: Readonly<Record<FinalizeMode, string>> = {
  live: 'live',
  shortOutage: 'with a short outage',
  cold: 'cold (it was powered off)',
  byHand: 'by hand',
};

/** `50 %  6 GiB of 12 GiB  110 MiB/s  55.9 s left`, as far as it is known. */
function migrationText({ percent, totalBytes, bytesPerSecond, leftMs }: FinalizeStatus): string {
  const parts = [`${percent} %`];
  if (totalBytes !== undefined) {
    parts.push(`${formatBytes(Math.round((totalBytes * percent) / 100))} of ${formatBytes(totalBytes)}`);
  }
  if (bytesPerSecond !== undefined) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (leftMs !== undefined) parts.push(`${formatDuration(leftMs)} left`);
  return parts.join('  ');
}

const outcomeWords = {
  underWay: 'under way',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;

const turnText = (waitsFor: readonly string[]): string => `waits for its turn behind ${waitsFor.join(', ')}`;

function finalizeText(finalize: FinalizeStatus): string {
  const { outcome, mode, datastore, durationMs, waitsFor } = finalize;
  const to = datastore === undefined ? '' : ` to ${datastore}`;
  const how = mode === undefined ? '' : `, ${finalizeModeWords[mode]}`;
  const progress = outcome === 'underWay' && waitsFor === undefined ? `, ${migrationText(finalize)}` : '';
  const waits = waitsFor === undefined ? '' : `, ${turnText(waitsFor)}`;
  const took = durationMs === undefined ? '' : `, in ${formatDuration(durationMs)}`;
  return `${outcomeWords[outcome]}${to}${how}${progress}${waits}${took}`;
}

const originalWords = {
  standing: 'stands where it was',
  setAside: 'set aside, as',
  givenBack: 'stands where it was',
  removed: 'deleted',
} as const;

function originalText({ name, state, standsAs }: OriginalStatus): string {
  return `${name}, ${originalWords[state]}${state === 'setAside' ? ` ${standsAs ?? ''}` : ''}`;
}

const guestAwayText = (ms: number | undefined): string | undefined => {
  if (ms === undefined) return undefined;
  return ms === 0 ? 'never' : formatDuration(ms);
};

/** `12 % of 4 GiB, stored 210 MiB`. */
function keepingText({ doneBytes, totalBytes, storedBytes }: KeepStatus): string {
  const percent = totalBytes === 0 ? 0 : Math.floor((100 * doneBytes) / totalBytes);
  return `${percent} % of ${formatBytes(totalBytes)}, stored ${formatBytes(storedBytes)}`;
}

function keepText(keep: KeepStatus): string {
  const { outcome, jobId, failure } = keep;
  if (outcome === 'underWay') return `under way, ${keepingText(keep)}`;
  if (jobId !== undefined) return `done, job ${jobId}`;
  return failure === undefined ? outcomeWords[outcome] : `failed, ${failure.type}: ${failure.message}`;
}

/** `There is no more space … (Retry / Cancel)`. */
const questionText = ({ text, choices }: HostQuestion): string =>
  `${text} (${choices.map(({ label }) => label).join(' / ')})`;

/** The facts of a session, a line each. */
export function sessionFacts(status: SessionStatus): string {
  const { timings, vm } = status;
  return facts([
    ['session', status.sessionId],
    ['state', status.step === status.state ? status.state : `${status.state}, ${status.step}`],
    ['status', `${status.status}, ${status.progressPercent} %`],
    ['VM', vm === undefined ? status.vmName : `${vm.name} (${vm.moref})`],
    ['from', jobText(status)],
    ['target', status.target],
    ['host', vm?.hostName],
    ['datastore', vm?.datastore],
    ['changes', status.changes && `[${status.changes.datastore}] ${status.changes.folder}`],
    ['power', status.powerState],
    ['the host asks', status.question && questionText(status.question)],
    ['site', status.site],
    ['powered on', afterCommand(timings.poweredOnMs)],
    ['guest ready', afterCommand(timings.guestReadyMs)],
    ['ended', afterCommand(timings.stoppedMs)],
    ['verify', verifyText(status.verify)],
    ...status.verify.findings.map((finding) => ['damage', finding] as const),
    ['copying', status.throttle && throttleText(status.throttle)],
    ['restore', status.restore && restoreText(status.restore)],
    ['finalize', status.finalize && finalizeText(status.finalize)],
    ['original', status.finalize?.original && originalText(status.finalize.original)],
    ['guest away', guestAwayText(status.finalize?.guestAwayMs)],
    [
      'not finalized',
      status.finalize?.failure && `${status.finalize.failure.type}: ${status.finalize.failure.message}`,
    ],
    ['keep', status.keep && keepText(status.keep)],
    ['failure', status.failure && `${status.failure.type}: ${status.failure.message}`],
  ]);
}

const levelStyle = { info: undefined, warning: 'yellow', error: 'red' } as const;

/** One line of the log: `02:51:07  Datastore rundirect-main is mounted on host esx1`. */
export function logLine({ time, level, message }: LogEntry, terminal: Terminal): string {
  const style = levelStyle[level];
  const text = level === 'info' ? printable(message) : `${level}: ${printable(message)}`;
  const clock = terminal.style('dim', formatClock(new Date(time)));
  return `${clock}  ${style === undefined ? text : terminal.style(style, text)}`;
}

/** Steps that move the disks. */
const MIGRATING: ReadonlySet<string> = new Set(['migrateVm', 'copyFrozenDisk']);
const RESTORING: ReadonlySet<string> = new Set(['copyRestoreDisk', 'copyDiskToVm']);

/** What stands on the line that is written over. */
export function progressLine(status: SessionStatus): string {
  const verify = status.verify.state === 'running' ? `  verify ${verifyText(status.verify)}` : '';
  const { finalize, restore, step } = status;
  const copy = restore !== undefined && RESTORING.has(step) ? `  ${copyText(restore)}` : '';
  const migration = finalize !== undefined && MIGRATING.has(step) ? `  ${migrationText(finalize)}` : '';
  const turn = finalize?.waitsFor === undefined ? '' : `  ${turnText(finalize.waitsFor)}`;
  const held = status.throttle === undefined ? '' : `  ${throttleText(status.throttle) ?? ''}`;
  const keep = status.keep?.outcome === 'underWay' ? `  keep ${keepingText(status.keep)}` : '';
  return `${status.progressPercent} %  ${status.state}  ${step}${turn}${migration}${copy}${held}${verify}${keep}`;
}

/** Tells a change of the session's status in both modes. */
export function showChange(terminal: Terminal, status: SessionStatus, newEntries: readonly LogEntry[]): void {
  for (const entry of newEntries) {
    terminal.print(logLine(entry, terminal));
    terminal.document({ event: 'log', ...entry });
  }
  const { state, status: word, progressPercent, step, powerState, timings } = status;
  const { question, finalize, keep, restore, throttle } = status;
  terminal.document({
    ...{ event: 'progress', state, status: word, progressPercent, step, powerState, timings },
    ...(question === undefined ? {} : { question }),
    ...(finalize === undefined ? {} : { finalize }),
    ...(keep === undefined ? {} : { keep }),
    ...(restore === undefined ? {} : { restore }),
    ...(throttle === undefined ? {} : { throttle }),
  });
  terminal.progress(progressLine(status));
}

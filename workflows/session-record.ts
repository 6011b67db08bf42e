// What a session knows about itself: the answer of its Query, the log that a person reads, and what Temporal's
// web page shows (current details, search attributes). The steps tell it; it decides nothing.

import { defineSearchAttributeKey } from '@temporalio/common';
import {
  setCurrentDetails,
  upsertMemo,
  upsertSearchAttributes,
  log as workerLog,
} from '@temporalio/workflow';
import {
  type FinalizeStatus,
  type KeepStatus,
  LATEST_JOB,
  type LogEntry,
  MAX_LOG_ENTRIES,
  type RestoreStatus,
  SearchAttribute,
  type SessionReport,
  type SessionState,
  type SessionStatus,
  type StartInput,
  type Target,
  THROTTLE_MEMO,
  type Throttle,
  targetSubject,
} from '../contract/index.ts';
import { paced } from './pace.ts';
import { migrationPercent, percentAt, startWeights, type Weights } from './progress.ts';
import { newsTeller } from './session-news.ts';

/** Lines of the log in the web page's current details, the newest first: its box is small. */
const DETAILS_LOG_LINES = 15;
/** Findings of a verify that are kept; the report says how many there were. */
const MAX_FINDINGS = 20;

type Changes = Partial<
  Pick<
    SessionStatus,
    | 'state'
    | 'status'
    | 'progressPercent'
    | 'step'
    | 'vm'
    | 'changes'
    | 'guest'
    | 'powerState'
    | 'jobId'
    | 'verify'
    | 'failure'
    | 'finalize'
    | 'question'
    | 'keep'
    | 'restore'
    | 'throttle'
  >
>;

export interface SessionRecord {
  status(): SessionStatus;
  update(changes: Changes): void;
  say(message: string, level?: LogEntry['level']): void;
  /** A step, and how much of it is done (0 to 1). */
  step(name: string, fraction?: number): void;
  /** Milliseconds since 1970, as the site measured it; kept as milliseconds from the command. */
  timed(what: keyof SessionStatus['timings'], atMs: number): void;
  /** Of the finalize that is under way. */
  migration(changes: Partial<FinalizeStatus>): void;
  report(report: SessionReport): void;
  /** How its copy is held back from now on; undefined: not at all. */
  throttled(throttle: Throttle | undefined): void;
  /** Copies that ran at the target for the finalize that is under way, the newest last. */
  copyTasks(): readonly string[];
}

/** What a record shows of what was asked for. */
export type Recorded = Pick<
  StartInput,
  'sessionId' | 'site' | 'commandedAtMs' | 'placement' | 'powerOn' | 'guestTimeoutMs' | 'verify' | 'changes'
> & {
  readonly source: Omit<StartInput['source'], 'passphrase'>;
  /** Undefined for what is on no target. */
  readonly target: Target | undefined;
};

/** Steps whose reports tell how far a finalize is. */
const MIGRATING: ReadonlySet<string> = new Set(['migrateVm', 'copyFrozenDisk']);

const keyword = (name: string) => defineSearchAttributeKey(name, 'KEYWORD');
const stateKey = keyword(SearchAttribute.state);

/**
 * Opens the record of a new session, or goes on with the one that an earlier run of the Workflow left.
 * @param weights are of the steps that `step` is told.
 */
export function sessionRecord(
  input: Recorded,
  earlier: SessionStatus | undefined,
  weights: Weights = startWeights(input),
): SessionRecord {
  let current: SessionStatus = earlier ?? firstStatus(input);
  const tellNews = newsTeller();
  // What an earlier run said with its last breath may not have been sent.
  if (earlier !== undefined) tellNews(earlier);
  upsertSearchAttributes([
    { key: keyword(SearchAttribute.vm), value: input.source.vmName },
    { key: keyword(SearchAttribute.site), value: input.site },
    { key: keyword(SearchAttribute.target), value: current.target },
    { key: keyword(SearchAttribute.backupSet), value: input.source.backupSet },
    { key: stateKey, value: current.state },
  ]);

  const update = (changes: Partial<SessionStatus>): void => {
    const before = current.state;
    current = { ...current, ...changes };
    if (current.state !== before) upsertSearchAttributes([{ key: stateKey, value: current.state }]);
    setCurrentDetails(detailsOf(current));
    tellNews(current);
  };
  const say = (message: string, level: LogEntry['level'] = 'info'): void => {
    const entry = { time: new Date().toISOString(), level, message };
    update({ log: [...current.log, entry].slice(-MAX_LOG_ENTRIES) });
    workerLog[level === 'warning' ? 'warn' : level](message);
  };
  const migration = (changes: Partial<FinalizeStatus>): void => {
    if (current.finalize !== undefined) update({ finalize: { ...current.finalize, ...changes } });
  };
  const throttled = (throttle: Throttle | undefined): void => {
    // What was measured before says nothing about what is to come.
    const { restore, finalize } = current;
    update({
      throttle,
      restore: restore && { ...restore, ...paced(undefined, leftOfRestore(restore), throttle) },
    });
    if (finalize?.outcome === 'underWay') migration(paced(undefined, leftOfFinalize(finalize), throttle));
    upsertMemo({ [THROTTLE_MEMO]: throttle ?? null });
  };
  let copyTasks: readonly string[] = [];
  return {
    status: () => current,
    update,
    copyTasks: () => copyTasks,
    say,
    step: (name, fraction = 0) => update({ step: name, progressPercent: percentAt(weights, name, fraction) }),
    migration,
    throttled,
    timed: (what, atMs) =>
      update({
        timings: { ...current.timings, [what]: Math.max(0, Math.round(atMs - input.commandedAtMs)) },
      }),
    report: (report) => {
      if (report.kind === 'note') {
        say(report.message, report.level);
        return;
      }
      if (report.kind === 'copyTask') {
        if (!copyTasks.includes(report.task)) copyTasks = [...copyTasks, report.task];
        return;
      }
      if (report.kind === 'turn') {
        // One that comes late must not undo what is known by now.
        if (current.step !== 'awaitTurn') return;
        const { waitsFor } = report;
        if (current.finalize?.waitsFor === undefined) {
          say(`Waits for its turn to be migrated: before it come ${waitsFor.join(', ')}`);
        }
        migration({ waitsFor });
        return;
      }
      if (report.kind === 'migration') {
        // One that comes late must not undo what is known by now.
        if (!MIGRATING.has(current.step)) return;
        const { percent, bytesPerSecond, leftMs } = report;
        const { throttle, finalize } = current;
        update({ progressPercent: migrationPercent(percent) });
        migration({ percent, bytesPerSecond, leftMs });
        if (throttle === undefined || finalize === undefined) return;
        migration(paced(bytesPerSecond, leftOfFinalize({ ...finalize, percent }), throttle));
        return;
      }
      if (report.kind === 'keep') {
        const { doneBytes, totalBytes, storedBytes } = report;
        // One that comes late must not undo what is known by now.
        if (current.keep?.outcome !== 'underWay') return;
        update({ keep: { ...current.keep, doneBytes, totalBytes, storedBytes } });
        return;
      }
      const known = new Set(current.verify.findings);
      const { checkedBytes, totalBytes } = report;
      const findings = report.findings.slice(0, MAX_FINDINGS);
      update({ verify: { state: 'running', checkedBytes, totalBytes, findings } });
      if (current.step === 'verifyChain' && totalBytes > 0) {
        update({ progressPercent: percentAt(weights, 'verifyChain', checkedBytes / totalBytes) });
      }
      for (const finding of findings.filter((each) => !known.has(each))) {
        update({ status: 'Error' });
        say(`Verify found damage: ${finding}`, 'error');
      }
    },
  };
}

const leftOfRestore = ({ totalBytes = 0, copiedBytes }: RestoreStatus): number => totalBytes - copiedBytes;
const leftOfFinalize = ({ totalBytes = 0, percent }: FinalizeStatus): number =>
  totalBytes * (1 - Math.min(100, percent) / 100);

function firstStatus(input: Recorded): SessionStatus {
  const state: SessionState = 'preflight';
  return {
    sessionId: input.sessionId,
    site: input.site,
    vmName: input.placement.name ?? input.source.vmName,
    target: input.target === undefined ? '' : targetSubject(input.target),
    backupSet: input.source.backupSet,
    jobId: input.source.jobId === LATEST_JOB ? '' : input.source.jobId,
    state,
    status: 'In progress',
    progressPercent: 0,
    step: 'preflight',
    vm: undefined,
    guest: input.powerOn && input.guestTimeoutMs > 0 ? 'awaited' : 'off',
    powerState: undefined,
    timings: {},
    verify: {
      state: input.verify === 'none' ? 'off' : 'waiting',
      checkedBytes: 0,
      totalBytes: 0,
      findings: [],
    },
    log: [],
    failure: undefined,
  };
}

/** Markdown for Temporal's web page. What came from outside stands in code spans, so that it stays text. */
function detailsOf(status: SessionStatus): string {
  const { verify } = status;
  const step = status.step === status.state ? '' : ` · ${status.step}`;
  const rows = [
    `**${status.status}** · ${status.state} · ${status.progressPercent} %${step}`,
    `VM ${code(status.vm?.name ?? status.vmName)} on ${code(status.vm?.hostName ?? status.target)}` +
      (status.powerState === undefined ? '' : ` · ${status.powerState}`),
    `Backup ${code(`${status.backupSet}/${status.jobId === '' ? LATEST_JOB : status.jobId}`)}` +
      (verify.state === 'off' ? '' : ` · verify ${verify.state} ${bytesOf(verify)}`),
  ];
  if (status.question !== undefined) rows.push(`**The host asks**: ${code(status.question.text)}`);
  if (status.finalize !== undefined) rows.push(finalizeRow(status.finalize));
  if (status.keep !== undefined) rows.push(keepRow(status.keep));
  if (status.restore !== undefined) rows.push(restoreRow(status.restore));
  if (status.failure !== undefined) rows.push(`**${status.failure.type}**: ${code(status.failure.message)}`);
  const lines = status.log
    .slice(-DETAILS_LOG_LINES)
    .reverse()
    .map(
      ({ time, level, message }) =>
        `- ${time.slice(11, 19)} ${level === 'info' ? '' : `**${level}** `}${code(message)}`,
    );
  return `${rows.join('\n\n')}\n\n${lines.join('\n')}\n`;
}

function finalizeRow({ outcome, mode, datastore, percent, waitsFor }: FinalizeStatus): string {
  const to = datastore === undefined ? '' : ` to ${code(datastore)}`;
  const waits = waitsFor === undefined ? '' : ` · waits for its turn behind ${code(waitsFor.join(', '))}`;
  return `Finalize${to}: ${outcome}${mode === undefined ? '' : ` · ${mode}`} · ${percent} %${waits}`;
}

function restoreRow({ datastore, toVm, location, copiedBytes, totalBytes, disk }: RestoreStatus): string {
  const share = totalBytes === undefined || totalBytes === 0 ? 0 : copiedBytes / totalBytes;
  const what = disk === undefined ? '' : ` · ${code(disk)}`;
  const to = location ?? datastore ?? toVm?.name ?? '';
  return `Restore to ${code(to)}: ${Math.floor(100 * share)} % copied${what}`;
}

function keepRow({ outcome, jobId, doneBytes, totalBytes }: KeepStatus): string {
  const percent = totalBytes === 0 ? 0 : Math.floor((100 * doneBytes) / totalBytes);
  return `Keep: ${outcome}${jobId === undefined ? ` · ${percent} %` : ` · job ${code(jobId)}`}`;
}

function bytesOf({ checkedBytes, totalBytes }: SessionStatus['verify']): string {
  return totalBytes === 0 ? '' : `${Math.floor((100 * checkedBytes) / totalBytes)} %`;
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('\n', ' ')}\``;
}

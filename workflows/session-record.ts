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
import { leftOfFinalize, leftOfRestore, paced } from './pace.ts';
import { percentAt, startWeights, type Weights } from './progress.ts';
import { newsTeller } from './session-news.ts';
import { sessionReports } from './session-reports.ts';

/** Lines of the log in the web page's current details, the newest first: its box is small. */
const DETAILS_LOG_LINES = 15;
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
  const heard = { status: () => current, update, say, migration };
  const reports = sessionReports(heard, weights);
  return {
    ...heard,
    throttled,
    report: (report) => reports.hear(report),
    copyTasks: () => reports.copyTasks(),
    step: (name, fraction = 0) => update({ step: name, progressPercent: percentAt(weights, name, fraction) }),
    timed: (what, atMs) =>
      update({
        timings: { ...current.timings, [what]: Math.max(0, Math.round(atMs - input.commandedAtMs)) },
      }),
  };
}

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

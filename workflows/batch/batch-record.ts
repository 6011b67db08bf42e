// What a batch knows about itself: the answer of its Query, and what Temporal's web page shows. Its sessions tell it
// how they are; the steps tell it the rest. It decides nothing.
import { defineSearchAttributeKey } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, log as workerLog } from '@temporalio/workflow';
import {
  type BatchInput,
  type BatchState,
  type BatchStatus,
  type BatchVm,
  type LogEntry,
  MAX_LOG_ENTRIES,
  SearchAttribute,
  type SessionNews,
  targetSubject,
  vmIsOver,
} from '../../contract/index.ts';

const DETAILS_LOG_LINES = 15;
const stateKey = defineSearchAttributeKey(SearchAttribute.state, 'KEYWORD');

export interface BatchRecord {
  status(): BatchStatus;
  vm(sessionId: string): BatchVm;
  updateVm(sessionId: string, changes: Partial<BatchVm>): void;
  /** What a session has become; tells it in the log when its state is a new one. */
  news(news: SessionNews): void;
  /** Before and after the sessions' time; between them the state is what the sessions make it. */
  state(state: BatchState, failure?: BatchStatus['failure']): void;
  say(message: string, level?: LogEntry['level']): void;
}

/** Opens the record of a new batch, or goes on with the one that an earlier run of the Workflow left. */
export function batchRecord(input: BatchInput, earlier: BatchStatus | undefined): BatchRecord {
  let current: BatchStatus = earlier ?? firstStatus(input);
  upsertSearchAttributes([{ key: stateKey, value: current.state }]);
  const update = (changes: Partial<BatchStatus>): void => {
    const before = current.state;
    current = { ...current, ...changes };
    if (current.state !== before) upsertSearchAttributes([{ key: stateKey, value: current.state }]);
    setCurrentDetails(detailsOf(current));
  };
  const vm = (sessionId: string): BatchVm => {
    const found = current.vms.find((each) => each.sessionId === sessionId);
    if (found === undefined) throw new RangeError(`the batch has no session ${sessionId}`);
    return found;
  };
  const updateVm = (sessionId: string, changes: Partial<BatchVm>): void => {
    const changed = { ...vm(sessionId), ...changes };
    const vms = current.vms.map((each) => (each.sessionId === sessionId ? changed : each));
    const state = ['starting', 'running'].includes(current.state) ? stateOf(vms) : current.state;
    update({ vms, state });
  };
  const say = (message: string, level: LogEntry['level'] = 'info'): void => {
    const entry = { time: new Date().toISOString(), level, message };
    update({ log: [...current.log, entry].slice(-MAX_LOG_ENTRIES) });
    workerLog[level === 'warning' ? 'warn' : level](message);
  };
  return {
    status: () => current,
    vm,
    updateVm,
    say,
    news: ({ sessionId, state, jobId, guest, powerState, vm: running, timings, waitsForTurn }) => {
      const known = current.vms.find((each) => each.sessionId === sessionId);
      // What comes from elsewhere, or late, is no news.
      if (known === undefined || vmIsOver(known)) return;
      // Its end, and what it failed with, is told by Temporal.
      const now = vmIsOver({ state }) ? known.state : state;
      const migration = known.migration && (waitsForTurn === true ? 'waiting' : 'underWay');
      updateVm(sessionId, { state: now, jobId, guest, powerState, vm: running, timings, migration });
      if (now !== known.state) say(`${known.vmName}: ${stateWords[now] ?? now}${since(timings, now)}`);
    },
    state: (state, failure) => update({ state, failure }),
  };
}

function firstStatus({ batchId, site, sessions }: BatchInput): BatchStatus {
  const [first] = sessions;
  return {
    batchId,
    site,
    target: first === undefined ? '' : targetSubject(first.target),
    backupSet: first?.source.backupSet ?? '',
    state: 'preflight',
    vms: sessions.map(({ sessionId, source, placement, powerOn, guestTimeoutMs }) => ({
      sessionId,
      vmName: placement.name ?? source.vmName,
      jobId: '',
      state: 'waiting',
      guest: powerOn && guestTimeoutMs > 0 ? 'awaited' : 'off',
      powerState: undefined,
      vm: undefined,
      timings: {},
      migration: undefined,
      failure: undefined,
    })),
    log: [],
    failure: undefined,
  };
}

const beginning: ReadonlySet<BatchVm['state']> = new Set<BatchVm['state']>([
  'waiting',
  'preflight',
  'starting',
]);

/** Its session is there, and does not run yet; or is still to be made. */
export const begins = ({ state }: Pick<BatchVm, 'state'>): boolean => beginning.has(state);

function stateOf(vms: readonly BatchVm[]): BatchState {
  if (vms.every(vmIsOver)) return 'ended';
  return vms.some(begins) ? 'starting' : 'running';
}

const stateWords: Partial<Record<BatchVm['state'], string>> = {
  preflight: 'starts',
  starting: 'preflight passed',
  running: 'runs from its backup',
  finalizing: 'is on its way to production',
  stopping: 'is being removed',
};

function since({ poweredOnMs }: BatchVm['timings'], state: BatchVm['state']): string {
  if (state !== 'running' || poweredOnMs === undefined) return '';
  return `, powered on ${(poweredOnMs / 1000).toFixed(1)} s after the command`;
}

/** Markdown; what came from outside stands in code spans, so that it stays text. */
function detailsOf({ state, vms, log, failure }: BatchStatus): string {
  const lines = vms.map((vm) => {
    const migration = vm.migration === 'waiting' ? ' · waits for its turn to be migrated' : '';
    const why = vm.failure === undefined ? '' : ` · **${vm.failure.type}** ${code(vm.failure.message)}`;
    return `- ${code(vm.vmName)} **${vm.state}**${migration}${why} · ${code(vm.sessionId)}`;
  });
  const said = log.slice(-DETAILS_LOG_LINES).map(({ time, level, message }) => {
    return `- ${time.slice(11, 19)} ${level === 'info' ? '' : `**${level}** `}${code(message)}`;
  });
  const why = failure === undefined ? '' : ` · **${failure.type}** ${code(failure.message)}`;
  return `**${state}**${why}\n\n${lines.join('\n')}\n\n${said.join('\n')}\n`;
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('\n', ' ')}\``;
}

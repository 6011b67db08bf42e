// What a drill knows about itself: the answer of its Query, the lines of its report, and what Temporal's web page
// shows. The steps tell it; it decides nothing.
import { defineSearchAttributeKey } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, log as workerLog } from '@temporalio/workflow';
import {
  type DrillInput,
  type DrillStatus,
  type DrillVmReport,
  drillSessionId,
  type LogEntry,
  MAX_LOG_ENTRIES,
  SearchAttribute,
  targetSubject,
} from '../../contract/index.ts';

const DETAILS_LOG_LINES = 15;
const keyword = (name: string) => defineSearchAttributeKey(name, 'KEYWORD');
const stateKey = keyword(SearchAttribute.state);

export interface DrillRecord {
  status(): DrillStatus;
  state(state: DrillStatus['state']): void;
  step(step: string): void;
  say(message: string, level?: LogEntry['level']): void;
  /** The line of a VM, by its place in the drill, from 0. */
  vm(index: number): DrillVmReport;
  updateVm(index: number, changes: Partial<DrillVmReport>): void;
  /** What a reader of the report should know beside the verdict; said in the log, too. */
  note(index: number, note: string): void;
}

export function drillRecord(input: DrillInput, drillId: string): DrillRecord {
  let current: DrillStatus = {
    drillId,
    state: 'running',
    step: 'openDrill',
    vms: input.vms.map(({ name: vmName }, index) => ({
      vmName,
      sessionId: drillSessionId(drillId, index + 1),
      verdict: 'notRun',
      notes: [],
    })),
    log: [],
  };
  upsertSearchAttributes([
    {
      key: keyword(SearchAttribute.vm),
      value: input.vms
        .map(({ name }) => name)
        .join(', ')
        .slice(0, 200),
    },
    { key: keyword(SearchAttribute.site), value: input.site },
    { key: keyword(SearchAttribute.target), value: targetSubject(input.target) },
    { key: keyword(SearchAttribute.backupSet), value: input.source.backupSet },
    { key: stateKey, value: current.state },
  ]);
  const update = (changes: Partial<DrillStatus>): void => {
    const before = current.state;
    current = { ...current, ...changes };
    if (current.state !== before) upsertSearchAttributes([{ key: stateKey, value: current.state }]);
    setCurrentDetails(detailsOf(current));
  };
  const vm = (index: number): DrillVmReport => {
    const found = current.vms[index];
    if (found === undefined) throw new RangeError(`the drill has no VM ${index}`);
    return found;
  };
  const updateVm = (index: number, changes: Partial<DrillVmReport>): void => {
    const changed = { ...vm(index), ...changes };
    update({ vms: current.vms.map((each, at) => (at === index ? changed : each)) });
  };
  const say = (message: string, level: LogEntry['level'] = 'info'): void => {
    const entry = { time: new Date().toISOString(), level, message };
    update({ log: [...current.log, entry].slice(-MAX_LOG_ENTRIES) });
    workerLog[level === 'warning' ? 'warn' : level](message);
  };
  return {
    status: () => current,
    state: (state) => update({ state }),
    step: (step) => update({ step }),
    say,
    vm,
    updateVm,
    note: (index, note) => {
      updateVm(index, { notes: [...vm(index).notes, note] });
      say(`${vm(index).vmName}: ${note}`, 'warning');
    },
  };
}

/** Markdown; what came from outside stands in code spans, so that it stays text. */
function detailsOf({ state, step, vms, log }: DrillStatus): string {
  const lines = vms.map(({ vmName, verdict, reason }) => {
    const why = reason === undefined ? '' : `: ${code(reason)}`;
    return `- ${code(vmName)} ${verdict === 'notRun' ? 'not run yet' : `**${verdict}**${why}`}`;
  });
  const said = log.slice(-DETAILS_LOG_LINES).map(({ time, level, message }) => {
    return `- ${time.slice(11, 19)} ${level === 'info' ? '' : `**${level}** `}${code(message)}`;
  });
  return `**${state}** · ${code(step)}\n\n${lines.join('\n')}\n\n${said.join('\n')}\n`;
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('\n', ' ')}\``;
}

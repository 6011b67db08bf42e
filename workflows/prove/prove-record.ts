// What a proof knows about itself: the answer of its Query, and what Temporal's web page shows. The rounds tell it;
// it decides nothing.
import { defineSearchAttributeKey } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, log as workerLog } from '@temporalio/workflow';
import {
  type LogEntry,
  MAX_LOG_ENTRIES,
  type ProveInput,
  type ProvePrimitive,
  type ProveRow,
  type ProveStatus,
  provePrimitives,
  SearchAttribute,
  targetSubject,
} from '../../contract/index.ts';

const DETAILS_LOG_LINES = 5;
const keyword = (name: string) => defineSearchAttributeKey(name, 'KEYWORD');
const stateKey = keyword(SearchAttribute.state);

export interface ProveRecord {
  status(): ProveStatus;
  state(state: ProveStatus['state']): void;
  step(step: string): void;
  say(message: string, level?: LogEntry['level']): void;
  /** The newest word on a primitive counts: a round that was begun anew says it again. */
  rows(rows: readonly ProveRow[]): void;
  row(primitive: ProvePrimitive): ProveRow | undefined;
  forget(primitives: readonly ProvePrimitive[]): void;
  skip(primitives: readonly ProvePrimitive[], why: string): void;
}

export function proveRecord({ proveId, site, target }: ProveInput): ProveRecord {
  let current: ProveStatus = { proveId, state: 'running', step: 'openProve', rows: [], log: [] };
  upsertSearchAttributes([
    { key: keyword(SearchAttribute.site), value: site },
    { key: keyword(SearchAttribute.target), value: targetSubject(target) },
    { key: stateKey, value: current.state },
  ]);
  const update = (changes: Partial<ProveStatus>): void => {
    const before = current.state;
    current = { ...current, ...changes };
    if (current.state !== before) upsertSearchAttributes([{ key: stateKey, value: current.state }]);
    setCurrentDetails(detailsOf(current));
  };
  const rows = (fresh: readonly ProveRow[]): void => {
    const byPrimitive = new Map([...current.rows, ...fresh].map((row) => [row.primitive, row]));
    const order = Object.keys(provePrimitives) as ProvePrimitive[];
    update({ rows: order.flatMap((each) => byPrimitive.get(each) ?? []) });
  };
  return {
    status: () => current,
    state: (state) => update({ state }),
    step: (step) => update({ step }),
    say: (message, level = 'info') => {
      const entry = { time: new Date().toISOString(), level, message };
      update({ log: [...current.log, entry].slice(-MAX_LOG_ENTRIES) });
      workerLog[level === 'warning' ? 'warn' : level](message);
    },
    rows,
    row: (primitive) => current.rows.find((row) => row.primitive === primitive),
    forget: (primitives) =>
      update({ rows: current.rows.filter(({ primitive }) => !primitives.includes(primitive)) }),
    skip: (primitives, why) =>
      rows(primitives.map((primitive) => ({ primitive, outcome: 'skipped', detail: why }))),
  };
}

/** Markdown; what came from outside stands in code spans, so that it stays text. */
function detailsOf({ state, step, rows, log }: ProveStatus): string {
  const lines = rows.map(
    ({ primitive, outcome, detail }) => `- **${outcome}** ${primitive}: ${code(detail)}`,
  );
  const said = log
    .slice(-DETAILS_LOG_LINES)
    .map(({ time, message }) => `- ${time.slice(11, 19)} ${code(message)}`);
  return `**${state}** · ${code(step)}\n\n${lines.join('\n')}\n\n${said.join('\n')}\n`;
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('\n', ' ')}\``;
}

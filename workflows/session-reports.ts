// What the steps of a session tell it on their way, by Signal, and what its record makes of it. One that comes late,
// when its step is over, must not undo what is known by then. One of a kind that this version does not know, from a
// site that was upgraded first, is passed over: a Workflow that throws here stands still.
import type { FinalizeStatus, LogEntry, SessionReport, SessionStatus } from '../contract/index.ts';
import { leftOfFinalize, paced } from './pace.ts';
import { migrationPercent, percentAt, type Weights } from './progress.ts';

/** Steps whose reports tell how far a finalize is. */
const MIGRATING: ReadonlySet<string> = new Set(['migrateVm', 'copyFrozenDisk']);
/** Findings of a verify that are kept; the report says how many there were. */
const MAX_FINDINGS = 20;

type Kind = SessionReport['kind'];
type Of<K extends Kind> = Extract<SessionReport, { readonly kind: K }>;
type Hearers = { readonly [K in Kind]: (report: Of<K>) => void };

/** What of a record the reports need. */
interface Told {
  status(): SessionStatus;
  update(changes: Partial<SessionStatus>): void;
  say(message: string, level?: LogEntry['level']): void;
  migration(changes: Partial<FinalizeStatus>): void;
}

export interface SessionReports {
  hear(report: SessionReport): void;
  /** Copies that ran at the target for the finalize that is under way, the newest last. */
  copyTasks(): readonly string[];
}

export function sessionReports(record: Told, weights: Weights): SessionReports {
  let copyTasks: readonly string[] = [];
  const hearers: Hearers = {
    note: ({ message, level }) => record.say(message, level),
    copyTask: ({ task }) => {
      if (!copyTasks.includes(task)) copyTasks = [...copyTasks, task];
    },
    turn: ({ waitsFor }) => {
      const { step, finalize } = record.status();
      if (step !== 'awaitTurn') return;
      if (finalize?.waitsFor === undefined) {
        record.say(`Waits for its turn to be migrated: before it come ${waitsFor.join(', ')}`);
      }
      record.migration({ waitsFor });
    },
    migration: ({ percent, bytesPerSecond, leftMs }) => {
      const { step, throttle, finalize } = record.status();
      if (!MIGRATING.has(step)) return;
      record.update({ progressPercent: migrationPercent(percent) });
      record.migration({ percent, bytesPerSecond, leftMs });
      if (throttle === undefined || finalize === undefined) return;
      record.migration(paced(bytesPerSecond, leftOfFinalize({ ...finalize, percent }), throttle));
    },
    keep: ({ doneBytes, totalBytes, storedBytes }) => {
      const { keep } = record.status();
      if (keep?.outcome !== 'underWay') return;
      record.update({ keep: { ...keep, doneBytes, totalBytes, storedBytes } });
    },
    verify: (report) => hearVerify(record, weights, report),
  };
  return {
    hear: (report) => {
      const hear = (hearers as Readonly<Record<string, ((report: SessionReport) => void) | undefined>>)[
        report.kind
      ];
      hear?.(report);
    },
    copyTasks: () => copyTasks,
  };
}

function hearVerify(
  record: Told,
  weights: Weights,
  { checkedBytes, totalBytes, findings: found }: Of<'verify'>,
): void {
  const { verify, step } = record.status();
  if (verify.state !== 'waiting' && verify.state !== 'running') return;
  const known = new Set(verify.findings);
  const findings = found.slice(0, MAX_FINDINGS);
  record.update({ verify: { state: 'running', checkedBytes, totalBytes, findings } });
  if (step === 'verifyChain' && totalBytes > 0) {
    record.update({ progressPercent: percentAt(weights, 'verifyChain', checkedBytes / totalBytes) });
  }
  for (const finding of findings.filter((each) => !known.has(each))) {
    record.update({ status: 'Error' });
    record.say(`Verify found damage: ${finding}`, 'error');
  }
}

// Restores one VM to production storage, without running it on the way. The Workflow Id is the session's id.
//
//   preflight → (verify) → publish → mount → claim the folder → copy each disk → write the files → register
//   → (power on) → hand over → unmount → drop the export → (the guest's heartbeat)
//
// Until the VM is registered and read back, a failure, a cancel or a stop undoes everything that was begun: nothing is
// left at the target. From there on it is a VM of production that nobody takes away again: one that does not power on
// stays, powered off, and the restore says why. Clean-up is tried until it is done.
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import {
  MIN_RESERVE_FACTOR,
  REPORT_SIGNAL,
  type RestoreInput,
  type RestoreReport,
  restoreInputSchema,
  SessionMessage,
  type SessionReport,
  type SessionStatus,
  type StopResult,
} from '../contract/index.ts';
import { compensations } from './compensation.ts';
import { rejection } from './desk.ts';
import { failureFrom, reasonOf } from './failure.ts';
import { restoreWeights } from './progress.ts';
import { copyProgress } from './restore-copy.ts';
import { bringBack } from './restore-disks.ts';
import { handOverRestored } from './restore-end.ts';
import type { Session } from './session.ts';
import { sessionRecord } from './session-record.ts';
import { openStopDesk } from './stop-desk.ts';
import { undoBegun } from './undo-begun.ts';

const statusQuery = defineQuery<SessionStatus>(SessionMessage.status);
const otherUpdates = [SessionMessage.finalize, SessionMessage.cancelFinalize].map((name) =>
  defineUpdate<never>(name),
);
const reportSignal = defineSignal<[SessionReport | RestoreReport]>(REPORT_SIGNAL);

/** Query `status` and Update `stop` as a session's; ends as `restored`, or as `cancelled` where a stop asked for it. */
export async function restore(argument: RestoreInput): Promise<StopResult> {
  const input = parse(argument);
  const session = openSession(input);
  const { record } = session;
  const copying = copyProgress(record);
  const begun = new CancellationScope({ cancellable: true });
  let isRegistered = false;
  const state = () => (isRegistered ? 'restored' : record.status().state);
  const desk = openStopDesk({ sessionId: input.sessionId, state }, () => begun.cancel());
  setHandler(statusQuery, () => record.status());
  setHandler(reportSignal, (report) => {
    if (report.kind === 'copy' || report.kind === 'copyTask') copying.heard(report);
    else record.report(report);
  });
  refuseOthers(input.sessionId);
  const undo = compensations();
  try {
    const restored = await begun.run(() => bringBack(session, input, copying, undo));
    isRegistered = true;
    const result = await CancellationScope.nonCancellable(() => handOverRestored(session, restored));
    const message = `${input.sessionId} is restored: the VM is in production, and there is nothing to stop`;
    desk.answer({ failure: { type: 'NotRunning', message, details: [] } });
    return result;
  } catch (error) {
    if (isRegistered) {
      desk.answer({ failure: reasonOf(error, 'the restore') });
      throw error;
    }
    const stopped = desk.pending() !== undefined;
    try {
      const result = await undoBegun(session, 'restore', undo, error, stopped);
      desk.answer({ result });
      return result;
    } catch (failed) {
      desk.answer({ failure: reasonOf(failed, 'the restore') });
      throw failed;
    }
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}

function parse(argument: RestoreInput): RestoreInput {
  const parsed = restoreInputSchema.safeParse(argument);
  if (parsed.success) return parsed.data;
  const message = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw failureFrom({ type: 'InvalidInput', message, details: [] });
}

/** What can be asked of a session that runs is answered here in words, too. */
function refuseOthers(sessionId: string): void {
  const message = `${sessionId} is a restore: its VM goes to production by itself`;
  const refuse = (): never => {
    throw rejection('NotSupported', message);
  };
  for (const update of otherUpdates) setHandler(update, refuse, { validator: refuse });
}

/** The steps that it shares with a start take it for one. */
function openSession(input: RestoreInput): Session {
  const { datastore, ...start } = input;
  const session = { ...start, reserveFactor: MIN_RESERVE_FACTOR };
  const record = sessionRecord(session, undefined, restoreWeights(input));
  record.update({
    step: 'restorePreflight',
    restore: {
      datastore,
      location: undefined,
      disk: undefined,
      copiedBytes: 0,
      totalBytes: undefined,
      bytesPerSecond: undefined,
      leftMs: undefined,
      copyMs: undefined,
    },
  });
  return { input: session, record };
}

// The frame of every restore: what can be asked of it, and what it ends in. Until its work says that all is in
// production, a failure, a cancel or a stop undoes everything that was begun: nothing is left at the target. From there
// on nobody takes it away again, and clean-up is tried until it is done.
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  setHandler,
} from '@temporalio/workflow';
import {
  REPORT_SIGNAL,
  type RestoreReport,
  SessionMessage,
  type SessionReport,
  type SessionStatus,
  type StopResult,
} from '../../contract/index.ts';
import { type Compensations, compensations } from '../compensation.ts';
import { refuseUpdates } from '../desk.ts';
import { reasonOf } from '../failure.ts';
import type { Session } from '../session.ts';
import { openStopDesk } from '../stop-desk.ts';
import { openThrottleDesk, type ThrottleDesk } from '../throttle-desk.ts';
import { restoreThrottleRefusal } from '../throttle-refusal.ts';
import { undoBegun } from '../undo-begun.ts';
import { type CopyProgress, copyProgress } from './restore-copy.ts';

const statusQuery = defineQuery<SessionStatus>(SessionMessage.status);
const otherUpdates = [
  ...[SessionMessage.finalize, SessionMessage.cancelFinalize, SessionMessage.keep, SessionMessage.cancelKeep],
  ...[SessionMessage.answer, SessionMessage.makeRoom],
];
const reportSignal = defineSignal<[SessionReport | RestoreReport]>(REPORT_SIGNAL);

/** The copying, as people see it and hold it back. */
export interface Copying {
  readonly progress: CopyProgress;
  readonly throttle: Pick<ThrottleDesk, 'copying'>;
}

export interface RestoreWork<Restored> {
  /** The step that copies. */
  readonly copyStep: string;
  /** Ends with all in production. Every step's undoing is pushed before the step runs; undoes nothing by itself. */
  bringBack(copying: Copying, undo: Compensations): Promise<Restored>;
  /** Called where cancellation does not reach. Throws only where something stays behind. */
  handOver(restored: Restored): Promise<StopResult>;
}

/**
 * Query `status`, Updates `stop` and `throttle` as a session's; ends as `restored`, or as `cancelled` where a stop asked
 * for it.
 * @param asked what the copying reads at the most from its beginning, in bytes a second.
 */
export async function runRestore<Restored>(
  session: Session,
  asked: { readonly throttle?: number },
  work: RestoreWork<Restored>,
): Promise<StopResult> {
  const { input, record } = session;
  const progress = copyProgress(record, work.copyStep);
  const throttle = openThrottleDesk(session, () => restoreThrottleRefusal(session), asked.throttle);
  const begun = new CancellationScope({ cancellable: true });
  let isRestored = false;
  const state = () => (isRestored ? 'restored' : record.status().state);
  const desk = openStopDesk({ sessionId: input.sessionId, state }, () => begun.cancel());
  setHandler(statusQuery, () => record.status());
  setHandler(reportSignal, (report) => {
    if (report.kind === 'copy' || report.kind === 'copyTask') progress.heard(report);
    else record.report(report);
  });
  refuseUpdates(otherUpdates, `${input.sessionId} is a restore: it goes to production by itself`);
  const undo = compensations();
  try {
    const restored = await begun.run(() => work.bringBack({ progress, throttle }, undo));
    isRestored = true;
    const result = await CancellationScope.nonCancellable(() => work.handOver(restored));
    const message = `${input.sessionId} is restored: it is in production, and there is nothing to stop`;
    desk.answer({ failure: { type: 'NotRunning', message, details: [] } });
    return result;
  } catch (error) {
    throttle.forget();
    if (isRestored) {
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

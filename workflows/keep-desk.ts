// Where a keep is asked for, done and cancelled: the session's changes become a job of its backup set, while it
// runs on. It is one Activity beside whatever else the session does; but what takes the changes away, a stop or a
// finalize, waits for its turn: each refuses while the other is under way.
import {
  type ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  setHandler,
  uuid4,
} from '@temporalio/workflow';
import {
  type CancelKeepResult,
  type KeepResult,
  type KeepStatus,
  SessionMessage,
} from '../contract/index.ts';
import { backupSteps } from './activities-of.ts';
import { rejection } from './desk.ts';
import { failureFrom, type Reason, reasonOf, sentence } from './failure.ts';
import { type RunningSession, runningVmStep, type Session } from './session.ts';

const keepUpdate = defineUpdate<KeepResult>(SessionMessage.keep);
const cancelUpdate = defineUpdate<CancelKeepResult>(SessionMessage.cancelKeep);

export interface KeepDesk {
  /** From here on there is something to keep; called again when the VM is registered anew. */
  open(running: RunningSession): void;
  underWay(): boolean;
}

/** What else somebody waits for. */
interface Asked {
  readonly stop: () => boolean;
  readonly finalize: () => boolean;
}

/** @param resumed is what an earlier run of the Workflow left to be kept. */
export function openKeepDesk(session: Session, asked: Asked, resumed: RunningSession | undefined): KeepDesk {
  let running = resumed;
  let scope: CancellationScope | undefined;
  const check = (): RunningSession => {
    const refused = refusal(session, asked, scope !== undefined);
    if (refused !== undefined) throw refused;
    if (running === undefined) throw notRunning(session);
    return running;
  };
  setHandler(
    keepUpdate,
    // A cancel of the Workflow must not take the job from who waits for it.
    () =>
      CancellationScope.nonCancellable(async () => {
        // Two that arrive at once may both have been let in.
        const from = check();
        scope = new CancellationScope({ cancellable: true });
        try {
          return await scope.run(() => keep(session, from));
        } finally {
          scope = undefined;
        }
      }),
    { validator: () => void check(), description: "Make the session's changes a job of its backup set" },
  );
  setHandler(
    cancelUpdate,
    async (): Promise<CancelKeepResult> => {
      const { sessionId } = session.input;
      scope?.cancel();
      await CancellationScope.nonCancellable(() => condition(() => scope === undefined));
      const outcome = session.record.status().keep?.outcome;
      if (outcome === 'done') return { sessionId, outcome: 'kept' };
      return { sessionId, outcome: outcome === 'failed' ? 'failed' : 'cancelled' };
    },
    {
      description: 'Make no job of it',
      validator: () => {
        const { sessionId } = session.input;
        if (scope === undefined) throw rejection('NotKeeping', `${sessionId} is not being kept`);
      },
    },
  );
  return {
    open: (from) => {
      running = from;
    },
    underWay: () => scope !== undefined,
  };
}

/** What a stop or a finalize is refused with while a keep is under way. */
export function keepingRefusal(sessionId: string): ApplicationFailure {
  return rejection(
    'AlreadyKeeping',
    `${sessionId} is being kept: its changes are on their way into a job. Wait for that, or cancel it`,
  );
}

async function keep(session: Session, running: RunningSession): Promise<KeepResult> {
  const { input, record } = session;
  const status: KeepStatus = {
    ...{ outcome: 'underWay', startedAt: new Date().toISOString() },
    ...{ doneBytes: 0, totalBytes: 0, storedBytes: 0 },
    ...{ jobId: undefined, failure: undefined },
  };
  record.update({ keep: status });
  record.say(`Keep: the changes of ${running.vm.name} become a job of ${input.source.backupSet}`);
  if (record.status().verify.state === 'failed') {
    const what = 'The verify found damage in the backup that the job builds on: it has that damage, too';
    record.say(what, 'warning');
  }
  try {
    const step = { ...runningVmStep(session, running), keepId: uuid4() };
    const result = await backupSteps(input.site).keepSession(step);
    const { storedBytes } = result.job;
    const done = { doneBytes: result.readBytes, totalBytes: result.readBytes, storedBytes };
    record.update({ keep: { ...status, ...done, outcome: 'done', jobId: result.job.jobId } });
    record.say(`Kept as job ${result.job.jobId}, as it was at ${result.at}. The session runs on`);
    return result;
  } catch (error) {
    throw failureFrom(notKept(session, reasonOf(error, 'the keep')));
  }
}

function notKept({ record }: Session, reason: Reason): Reason {
  const { keep } = record.status();
  const wasCancelled = reason.type === 'Cancelled';
  const failure = wasCancelled ? undefined : { type: reason.type, message: reason.message };
  if (keep !== undefined) {
    record.update({ keep: { ...keep, outcome: wasCancelled ? 'cancelled' : 'failed', failure } });
  }
  const next = 'No job was made, and the session runs on with every change';
  if (wasCancelled) record.say(`The keep was cancelled. ${next}`, 'warning');
  else record.say(`Not kept: ${sentence(reason.message)} ${next}`, 'error');
  if (!wasCancelled) return reason;
  return { type: 'KeepCancelled', message: 'the keep was cancelled; no job was made', details: [] };
}

function refusal({ input, record }: Session, asked: Asked, keeping: boolean): ApplicationFailure | undefined {
  const { sessionId } = input;
  const { state } = record.status();
  if (input.placement.network === 'isolated') {
    return rejection('NotSupported', `${sessionId} is a drill's: it is discarded, and nothing of it is kept`);
  }
  if (input.changes !== undefined) {
    const message =
      `The changes of ${sessionId} are on datastore ${input.changes.datastore}, and not at the gateway: they can't ` +
      'become a job. Finalize the session, and back its VM up in production';
    return rejection('NotSupported', message);
  }
  if (keeping) return rejection('AlreadyKeeping', `${sessionId} is being kept already`);
  if (asked.finalize() || state === 'finalizing') {
    const message = `${sessionId} is being finalized: back its VM up in production when it is there`;
    return rejection('AlreadyFinalizing', message);
  }
  if (asked.stop() || state === 'stopping') {
    return rejection('AlreadyStopping', `${sessionId} is being stopped: its changes are discarded`);
  }
  return state === 'running' ? undefined : notRunning({ input, record });
}

function notRunning({ input, record }: Session): ApplicationFailure {
  const { sessionId } = input;
  const { state } = record.status();
  const isStarting = state === 'preflight' || state === 'starting';
  return rejection(
    'NotRunning',
    isStarting
      ? `${sessionId} does not run yet: keep it when it does`
      : `${sessionId} is ${state}: there is nothing to keep`,
  );
}

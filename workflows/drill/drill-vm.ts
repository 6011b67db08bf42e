// One VM of a drill: a session in the drill's network, as a child Workflow; its guest awaited, its console
// pictured, the verdict found, and the session stopped, whatever came of it.
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  type ChildWorkflowHandle,
  condition,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import {
  DEFAULT_STEP_TIMEOUT_MS,
  type DrillPlace,
  type SessionNews,
  type StartInput,
  type StopResult,
  WorkflowType,
} from '../../contract/index.ts';
import { startSteps } from '../activities-of.ts';
import { reasonOf } from '../failure.ts';
import { leftBehindOf } from '../left-behind.ts';
import type { RunDirect } from '../session.ts';
import type { Drill } from './drill-parts.ts';

/** A start has that many steps, each with its own limit; with the guest's it bounds the wait for a session. */
const START_STEPS = 6;
const MAX_VM_NAME = 80;
const PICTURE_TIMEOUT_MS = 60_000;

/** How a session came to its end. */
type Ending = { readonly result: StopResult } | { readonly error: unknown };

/**
 * Ends when the VM's line of the report is filled in and its session is gone; what the session left behind is in
 * the drill's list. Throws only a cancellation of the drill.
 */
export async function drillVm(drill: Drill, host: DrillPlace['host'], index: number): Promise<void> {
  const { record } = drill;
  const { sessionId, vmName } = record.vm(index);
  const commandedAtMs = Date.now();
  record.step(`${vmName}: session ${sessionId}`);
  record.updateVm(index, { verdict: 'failed', commandedAt: new Date(commandedAtMs).toISOString() });
  record.say(`${vmName}: starts as session ${sessionId}`);
  const session = openSession(drill, sessionInput(drill, host, index, commandedAtMs));
  try {
    await session.settled();
    copyTimings(drill, index);
    await takePicture(drill, index);
    record.updateVm(index, verdictOf(drill, index, session.ending()));
  } catch (error) {
    record.updateVm(index, { reason: reasonOf(error, 'the drill').message });
    throw error;
  } finally {
    record.step(`${vmName}: stop`);
    const ending = await session.stop();
    copyTimings(drill, index);
    closeLine(drill, index, ending, commandedAtMs);
  }
}

function sessionInput(
  { input, record }: Drill,
  host: DrillPlace['host'],
  index: number,
  commandedAtMs: number,
): StartInput {
  const { sessionId, vmName } = record.vm(index);
  const { folder, resourcePool } = input.placement;
  return {
    sessionId,
    site: input.site,
    commandedAtMs,
    source: { ...input.source, vmName },
    target: input.target,
    placement: {
      // The original may stand beside it under its own name.
      name: `${vmName.slice(0, MAX_VM_NAME - 1 - sessionId.length)}-${sessionId}`,
      host: host.moref,
      folder,
      resourcePool,
      network: 'isolated',
    },
    powerOn: true,
    verify: 'none',
    guestTimeoutMs: input.guestTimeoutMs,
    reserveFactor: input.reserveFactor,
    stepTimeoutMs: input.stepTimeoutMs,
  };
}

interface DrillSession {
  /** Ends when the guest is up or silent, the session is over, or no news came for too long. */
  settled(): Promise<void>;
  /** Ends when nothing of the session is left, or says why something is; not to be cancelled. */
  stop(): Promise<Ending>;
  /** How it ended, when it has. */
  ending(): Ending | undefined;
}

/** Starts the child and watches it. A drill that is terminated leaves the child to stop itself, as a cancel does. */
function openSession({ input, news }: Drill, session: StartInput): DrillSession {
  const { sessionId } = session;
  const scope = new CancellationScope({ cancellable: true });
  let ending: Ending | undefined;
  const whole = scope
    .run(async () => {
      const child: ChildWorkflowHandle<RunDirect> = await startChild<RunDirect>(WorkflowType.runDirect, {
        workflowId: sessionId,
        args: [session],
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        staticSummary: `${session.source.vmName} in drill, from ${session.source.backupSet}`,
      });
      return child.result();
    })
    .then(
      (result): Ending => (ending = { result }),
      (error: unknown): Ending => (ending = { error }),
    );
  const limitMs = START_STEPS * (input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS) + input.guestTimeoutMs;
  const isSettled = (now: SessionNews | undefined): boolean =>
    now?.state === 'running' && now.guest !== 'awaited';
  return {
    settled: async () => {
      await condition(() => ending !== undefined || isSettled(news.of(sessionId)), limitMs);
    },
    stop: () => {
      scope.cancel();
      return CancellationScope.nonCancellable(() => whole);
    },
    ending: () => ending,
  };
}

function copyTimings({ news, record }: Drill, index: number): void {
  const now = news.of(record.vm(index).sessionId);
  if (now === undefined) return;
  const { poweredOnMs, guestReadyMs } = now.timings;
  record.updateVm(index, {
    ...(now.jobId === '' ? {} : { jobId: now.jobId }),
    ...(poweredOnMs === undefined ? {} : { poweredOnMs }),
    ...(guestReadyMs === undefined ? {} : { guestReadyMs }),
  });
}

/** Of whatever the console shows, of a guest that did not come up most of all. A report goes without it, too. */
async function takePicture({ input, drillId, record, news }: Drill, index: number): Promise<void> {
  const { sessionId } = record.vm(index);
  const now = news.of(sessionId);
  if (now?.vm === undefined || now.powerState !== 'poweredOn') return;
  const { target, reportFolder } = input;
  try {
    const picture = await startSteps(input.site, PICTURE_TIMEOUT_MS).takeDrillPicture({
      ...{ drillId, sessionId, target, reportFolder },
      moref: now.vm.moref,
    });
    record.updateVm(index, { picture });
  } catch (error) {
    const reason = reasonOf(error, 'taking the picture');
    if (reason.type === 'Cancelled') throw error;
    record.note(index, `No picture was taken: ${reason.message}`);
  }
}

function verdictOf(
  { input, news, record }: Drill,
  index: number,
  ending: Ending | undefined,
): { readonly verdict: 'passed' | 'failed'; readonly reason?: string } {
  const failed = (reason: string) => ({ verdict: 'failed' as const, reason });
  if (ending !== undefined) {
    return failed(
      'error' in ending ? reasonOf(ending.error, 'the session').message : 'it was stopped meanwhile',
    );
  }
  const { guestReadyMs } = record.vm(index);
  const now = news.of(record.vm(index).sessionId);
  if (now?.state !== 'running') return failed('the session did not run in time');
  if (guestReadyMs === undefined) {
    const seconds = Math.round(input.guestTimeoutMs / 1000);
    return failed(`no heartbeat came from the guest within ${seconds} s of its power-on`);
  }
  if (input.rtoMs === undefined || guestReadyMs <= input.rtoMs) return { verdict: 'passed' };
  const [took, target] = [guestReadyMs, input.rtoMs].map((ms) => (ms / 1000).toFixed(1));
  return failed(`the guest was up after ${took} s, and the target is ${target} s`);
}

function closeLine(
  { record, leftBehind }: Drill,
  index: number,
  ending: Ending,
  commandedAtMs: number,
): void {
  const reason = 'error' in ending ? reasonOf(ending.error, 'the session') : undefined;
  const left = reason === undefined ? [] : leftBehindOf(reason);
  leftBehind.push(...left.map((what) => `${record.vm(index).sessionId}: ${what}`));
  if (left.length === 0) record.updateVm(index, { removedMs: Date.now() - commandedAtMs });
  if ('result' in ending && ending.result.state === 'finalized') {
    record.updateVm(index, { verdict: 'failed', reason: 'somebody moved its VM to production storage' });
  }
  const { vmName, verdict, reason: why } = record.vm(index);
  const level = verdict === 'passed' ? 'info' : 'error';
  record.say(`${vmName}: ${verdict}${why === undefined ? '' : `, ${why}`}`, level);
}

// What a Workflow can't tell about itself: that one of its Activities failed and Temporal tries it again, or that no
// worker takes up what is to be done. A person who waits should know why nothing moves.
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { siteTaskQueue } from '../../contract/index.ts';
import { isAborted } from './interruption.ts';
import type { Temporal } from './temporal.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_TIMEOUT_MS = 5_000;
/**
 * A worker that listens takes a task up at once. Temporal remembers one that has died for minutes, so this, and no
 * list of workers, tells that none is there. Temporal's clock is compared with ours.
 */
const TAKEN_UP_WITHIN_MS = 8_000;

/** An attempt that lasts for longer is past what ended the one before it: a worker that was restarted, for one. */
const AT_WORK_AFTER_MS = 30_000;

type PendingActivity = proto.temporal.api.workflow.v1.IPendingActivityInfo;
type Timestamp = proto.google.protobuf.ITimestamp;
const { PendingActivityState, PendingWorkflowTaskState } = proto.temporal.api.enums.v1;

/** A line for each thing that hinders the Workflow; empty where there is nothing, or Temporal is silent. */
export async function pendingTroubles(temporal: Temporal, handle: WorkflowHandle): Promise<string[]> {
  const deadline = Date.now() + LOOK_TIMEOUT_MS;
  // Only a look: who waits for the Workflow itself learns whether Temporal still answers.
  const description = await temporal.client
    .withDeadline(deadline, () => handle.describe())
    .catch(() => undefined);
  if (description === undefined) return [];
  const { pendingActivities, pendingWorkflowTask } = description.raw;
  const task = pendingWorkflowTask;
  const isWaiting = task?.state === PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED;
  const troubles = (pendingActivities ?? []).flatMap((activity) => troubleOf(activity) ?? []);
  if (isWaiting && isOlder(task.scheduledTime, TAKEN_UP_WITHIN_MS)) {
    return [`no worker takes up the Workflow; start one: rundirect worker`, ...troubles];
  }
  return troubles;
}

/** Undefined for a step that is on its way, whatever became of its earlier attempts. */
export function troubleOf(activity: PendingActivity): string | undefined {
  const step = activity.activityType?.name ?? 'a step';
  const isWaiting = activity.state === PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED;
  if (isWaiting && isOlder(activity.scheduledTime, TAKEN_UP_WITHIN_MS)) {
    const site = siteOf(activity.activityOptions?.taskQueue?.name ?? '');
    return `no worker of site ${site} takes up ${step}; start one there: rundirect worker --site ${site}`;
  }
  if (!isWaiting && isOlder(activity.lastStartedTime, AT_WORK_AFTER_MS)) return undefined;
  const message = activity.lastFailure?.message ?? '';
  return message === '' ? undefined : `${step} failed and is tried again: ${message}`;
}

const siteOf = (queue: string): string => {
  const prefix = siteTaskQueue('');
  return queue.startsWith(prefix) ? queue.slice(prefix.length) : 'NAME';
};

function isOlder(time: Timestamp | null | undefined, ageMs: number): boolean {
  if (time === null || time === undefined) return false;
  return Date.now() - Number(time.seconds ?? 0) * 1_000 > ageMs;
}

export interface Troubles extends Disposable {
  /** What was told last. */
  last(): string | undefined;
}

/** Looks again and again, and tells each new trouble once, until disposed. */
export function tellTroubles(
  temporal: Temporal,
  handle: WorkflowHandle,
  tell: (message: string) => void,
): Troubles {
  const done = new AbortController();
  let last: string | undefined;
  const look = async (): Promise<void> => {
    while (!isAborted(done.signal)) {
      await delay(LOOK_EVERY_MS, undefined, { signal: done.signal }).catch(() => undefined);
      if (isAborted(done.signal)) return;
      const text = (await pendingTroubles(temporal, handle)).join('; ');
      if (isAborted(done.signal) || text === '' || text === last) continue;
      last = text;
      tell(text);
    }
  };
  void look();
  return { last: () => last, [Symbol.dispose]: () => done.abort() };
}

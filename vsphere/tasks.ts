// Long calls return a Task at once; its state and progress come through the property collector. A caller that
// stops waiting leaves the task running: who comes next looks for it and attaches to it again.
import { VsphereError, type VsphereErrorCode } from './errors.ts';
import { readObject, watchObject } from './property-collector.ts';
import type { Arguments, ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { Method } from './soap/envelope.ts';
import { errorOfFault } from './soap/fault.ts';
import type { CallOptions, CancellableTaskOptions, TaskOptions } from './types.ts';

export type TaskMethod = Extract<Method, `${string}_Task`>;

/** Starts a task and returns what it results in (a moref, for some), or throws what its fault means. */
export async function runTask<M extends TaskMethod>(
  session: Session,
  method: M,
  self: ManagedObjectReference,
  parameters: Arguments[M],
  options: TaskOptions = {},
): Promise<unknown> {
  const task: ManagedObjectReference | undefined = await session.call<TaskMethod>(
    method,
    self,
    parameters,
    options,
  );
  const what = `${method} of ${self.type} ${self.value} at ${session.address}`;
  if (task === undefined) throw new VsphereError('Unexpected', `${what} started no task.`);
  return awaitTask(session, task, what, options);
}

/** Waits for a task that runs already. `what` names it in the error. */
export async function awaitTask(
  session: Session,
  task: ManagedObjectReference,
  what: string,
  options: TaskOptions = {},
): Promise<unknown> {
  options.onTask?.(task.value);
  let told = -1;
  const outcome = await watchObject(
    session,
    { type: 'Task', value: task.value },
    ['info.state', 'info.progress', 'info.error', 'info.result'],
    { signal: options.signal },
    (read) => {
      const percent = read['info.progress'];
      if (percent !== undefined && percent !== told) {
        told = percent;
        options.onProgress?.(percent);
      }
      const state = read['info.state'];
      return state === 'success' || state === 'error' ? read : undefined;
    },
  );
  if (outcome?.['info.state'] === 'success') return outcome['info.result'];
  const error = outcome?.['info.error'];
  throw errorOfFault(error?.fault.$type ?? 'MethodFault', error?.localizedMessage ?? '', what);
}

/** Waits for a task that an earlier try has left, by its moref. */
export async function attachTask(session: Session, task: string, options: TaskOptions = {}): Promise<void> {
  const what = `Task ${task} at ${session.address}`;
  await awaitTask(session, { type: 'Task', value: task }, what, options);
}

/**
 * Waits for a task; when `signal` says so, the target is asked to cancel it, and how it ends decides: success if
 * it was done before, `Cancelled` with the fault RequestCanceled if it was not. `detach` stops the waiting alone.
 */
export async function awaitCancellableTask(
  session: Session,
  task: ManagedObjectReference,
  what: string,
  options: CancellableTaskOptions,
): Promise<unknown> {
  const { signal, detach, onProgress, onTask } = options;
  const stop = new AbortController();
  const refused = Promise.withResolvers<never>();
  const cancel = (): void => {
    cancelTask(session, task.value).catch(refused.reject);
  };
  const stopSignal = detach === undefined ? stop.signal : AbortSignal.any([detach, stop.signal]);
  const waiting = awaitTask(session, task, what, { onProgress, onTask, signal: stopSignal });
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await Promise.race([waiting, refused.promise]);
  } finally {
    signal?.removeEventListener('abort', cancel);
    stop.abort();
    await Promise.allSettled([waiting]);
  }
}

/** Asks only: a task that has finished, or can't be cancelled, goes its way, and who waits for it sees how. */
export async function cancelTask(session: Session, task: string, options: CallOptions = {}): Promise<void> {
  try {
    await session.call('CancelTask', { type: 'Task', value: task }, {}, options);
  } catch (error) {
    const isTooLate = error instanceof VsphereError && TOO_LATE.has(error.code);
    if (!isTooLate) throw error;
  }
}

const TOO_LATE: ReadonlySet<VsphereErrorCode> = new Set(['InvalidState', 'NotSupported', 'NotFound']);

/** The task of this kind that runs on a VM; earlier ones, which it waits behind, are waited for. */
export async function runningTaskOfVm(
  session: Session,
  vm: string,
  descriptionIds: readonly string[],
  what: string,
  options: CallOptions,
): Promise<ManagedObjectReference | undefined> {
  const ref = { type: 'VirtualMachine', value: vm } as const;
  const recent = (await readObject(session, ref, ['recentTask'], options))?.read.recentTask ?? [];
  const running = await runningTasks(session, recent, descriptionIds, options.signal);
  await outwaitTasks(session, running.slice(0, -1), what, { signal: options.signal });
  return running.at(-1);
}

/** Tasks of an object that still wait or run, by what they do (`VirtualMachine.powerOn`, `Folder.registerVm`). */
export async function runningTasks(
  session: Session,
  recent: readonly ManagedObjectReference[],
  descriptionIds: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly ManagedObjectReference[]> {
  const running: ManagedObjectReference[] = [];
  for (const task of recent) {
    const ref = { type: 'Task', value: task.value } as const;
    const info = (await readObject(session, ref, ['info.state', 'info.descriptionId'], { signal }))?.read;
    const state = info?.['info.state'];
    const isOfKind = descriptionIds.includes(info?.['info.descriptionId'] ?? '');
    if (isOfKind && (state === 'queued' || state === 'running')) {
      running.push(ref);
    }
  }
  return running;
}

/** Waits for tasks of others; how they end is not ours to judge, and their names are not told. */
export async function outwaitTasks(
  session: Session,
  tasks: readonly ManagedObjectReference[],
  what: string,
  options: TaskOptions,
): Promise<void> {
  for (const task of tasks) {
    try {
      await awaitTask(session, task, what, { ...options, onTask: undefined });
    } catch (error) {
      if (
        !(error instanceof VsphereError) ||
        error.code === 'Cancelled' ||
        error.code === 'TargetUnavailable'
      ) {
        throw error;
      }
    }
  }
}

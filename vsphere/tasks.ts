// Long calls return a Task at once; its state and progress come through the property collector. A caller that
// stops waiting leaves the task running: who comes next looks for it and attaches to it again.
import { VsphereError } from './errors.ts';
import { readObject, watchObject } from './property-collector.ts';
import type { Arguments, ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { Method } from './soap/envelope.ts';
import { errorOfFault } from './soap/fault.ts';
import type { TaskOptions } from './types.ts';

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

/** Tasks of an object that still wait or run, by what they do (`VirtualMachine.powerOn`, `Folder.registerVm`). */
export async function runningTasks(
  session: Session,
  recent: readonly ManagedObjectReference[],
  descriptionId: string,
  signal: AbortSignal | undefined,
): Promise<readonly ManagedObjectReference[]> {
  const running: ManagedObjectReference[] = [];
  for (const task of recent) {
    const ref = { type: 'Task', value: task.value } as const;
    const info = (await readObject(session, ref, ['info.state', 'info.descriptionId'], { signal }))?.read;
    const state = info?.['info.state'];
    if (info?.['info.descriptionId'] === descriptionId && (state === 'queued' || state === 'running')) {
      running.push(ref);
    }
  }
  return running;
}

/** Waits for tasks of others; how they end is not ours to judge. */
export async function outwaitTasks(
  session: Session,
  tasks: readonly ManagedObjectReference[],
  what: string,
  options: TaskOptions,
): Promise<void> {
  for (const task of tasks) {
    try {
      await awaitTask(session, task, what, options);
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

// Snapshots of a VM. A merge can't be cancelled and may run for long, so each call first attaches to what an
// earlier try has left running, and takes what it finds done for done.
import { VsphereError } from './errors.ts';
import { readObject } from './property-collector.ts';
import type { ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import { awaitTask, outwaitTasks, runningTaskOfVm, runTask } from './tasks.ts';
import type { CallOptions, Snapshot, SnapshotSpec, TaskOptions } from './types.ts';
import { snapshotsOf } from './vm-state.ts';

/** As the tasks of CreateSnapshotEx_Task and of the older CreateSnapshot_Task are called. */
const CREATE = ['VirtualMachine.createSnapshotEx', 'VirtualMachine.createSnapshot'];
const REMOVE = ['VirtualMachineSnapshot.remove', 'VirtualMachine.removeSnapshot'];
const REMOVE_ALL = ['VirtualMachine.removeAllSnapshots'];
const CONSOLIDATE = ['VirtualMachine.consolidateDisks'];

export async function createSnapshot(
  session: Session,
  vm: string,
  spec: SnapshotSpec,
  options: TaskOptions = {},
): Promise<string> {
  await attachToEarlier(session, vm, CREATE, options);
  const standing = await findSnapshot(session, vm, spec.name, options);
  if (standing !== undefined) return standing;
  const parameters = {
    name: spec.name,
    description: spec.description,
    memory: spec.memory,
    ...(spec.quiesce ? { quiesceSpec: {} } : {}),
  };
  const made = await runTask(session, 'CreateSnapshotEx_Task', refOf(vm), parameters, options);
  const moref =
    (made as ManagedObjectReference | undefined)?.value ??
    (await findSnapshot(session, vm, spec.name, options));
  if (moref !== undefined) return moref;
  throw new VsphereError(
    'Unexpected',
    `Making snapshot ${spec.name} of VM ${vm} at ${session.address} succeeded, but there is none.`,
  );
}

export async function removeSnapshot(
  session: Session,
  vm: string,
  name: string,
  options: TaskOptions = {},
): Promise<void> {
  await outwaitMaking(session, vm, options);
  await attachToEarlier(session, vm, REMOVE, options);
  const snapshot = await findSnapshot(session, vm, name, options);
  if (snapshot === undefined) return;
  const self = { type: 'VirtualMachineSnapshot', value: snapshot };
  const parameters = { removeChildren: false, consolidate: true };
  await runTask(session, 'RemoveSnapshot_Task', self, parameters, options);
}

export async function removeAllSnapshots(
  session: Session,
  vm: string,
  options: TaskOptions & { readonly consolidate?: boolean } = {},
): Promise<void> {
  await attachToEarlier(session, vm, REMOVE_ALL, options);
  if ((await readTree(session, vm, options)).length === 0) return;
  const parameters = { consolidate: options.consolidate ?? true };
  await runTask(session, 'RemoveAllSnapshots_Task', refOf(vm), parameters, options);
}

export async function consolidateDisks(
  session: Session,
  vm: string,
  options: TaskOptions = {},
): Promise<void> {
  await attachToEarlier(session, vm, CONSOLIDATE, options);
  await runTask(session, 'ConsolidateVMDisks_Task', refOf(vm), {}, options);
}

async function attachToEarlier(
  session: Session,
  vm: string,
  descriptionIds: readonly string[],
  options: TaskOptions,
): Promise<void> {
  const what = `Working on the snapshots of VM ${vm} at ${session.address}`;
  const running = await runningTaskOfVm(session, vm, descriptionIds, what, options);
  if (running !== undefined) await awaitTask(session, running, what, options);
}

/** One that is still being made by an earlier call, whose caller is gone, would stay. However that ends, it is over then. */
async function outwaitMaking(session: Session, vm: string, options: TaskOptions): Promise<void> {
  const what = `Making a snapshot of VM ${vm} at ${session.address}`;
  const running = await runningTaskOfVm(session, vm, CREATE, what, options);
  if (running !== undefined) await outwaitTasks(session, [running], what, { signal: options.signal });
}

async function findSnapshot(
  session: Session,
  vm: string,
  name: string,
  options: CallOptions,
): Promise<string | undefined> {
  const flat = (snapshots: readonly Snapshot[]): Snapshot[] =>
    snapshots.flatMap((each) => [each, ...flat(each.children)]);
  return flat(await readTree(session, vm, options)).find((each) => each.name === name)?.moref;
}

async function readTree(session: Session, vm: string, options: CallOptions): Promise<readonly Snapshot[]> {
  return snapshotsOf((await readObject(session, refOf(vm), ['snapshot'], options))?.read.snapshot);
}

const refOf = (vm: string) => ({ type: 'VirtualMachine', value: vm }) as const;

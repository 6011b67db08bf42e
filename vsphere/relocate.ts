// Moving a VM's files, live or powered off: RelocateVM_Task, which a vCenter alone offers. It may run for hours,
// so a caller that comes back after a crash finds the task that still runs, or the VM that has arrived.
import { VsphereError } from './errors.ts';
import { nicChanges } from './network-cards.ts';
import { readObject } from './property-collector.ts';
import type { CheckResult, LocalizedMethodFault, VirtualMachineRelocateSpec } from './schema/vim25.ts';
import type { Session } from './session.ts';
import { awaitCancellableTask, runningTaskOfVm, runTask } from './tasks.ts';
import type {
  CallOptions,
  RelocateCheck,
  RelocateFinding,
  RelocateOptions,
  RelocateSpec,
  TaskOptions,
} from './types.ts';
import { isDisk } from './vm-state.ts';

const RELOCATE = 'VirtualMachine.relocate';

export async function relocateVm(
  session: Session,
  vm: string,
  spec: RelocateSpec,
  options: RelocateOptions = {},
): Promise<void> {
  const what = `Relocating VM ${vm} at ${session.address}`;
  const untilDetached = { signal: options.detach };
  const running = await runningTaskOfVm(session, vm, [RELOCATE], what, untilDetached);
  if (running !== undefined) await awaitCancellableTask(session, running, what, options);
  if (await isThere(session, vm, spec, untilDetached)) return;
  const { signal, priority } = options;
  const wire = await wireSpec(session, vm, spec, untilDetached);
  if (signal?.aborted === true) {
    throw new VsphereError('Cancelled', `${what} was cancelled before it began.`, { cause: signal.reason });
  }
  const task = await session.call(
    'RelocateVM_Task',
    { type: 'VirtualMachine', value: vm },
    { spec: wire, ...(priority === undefined ? {} : { priority }) },
    untilDetached,
  );
  if (task === undefined) throw new VsphereError('Unexpected', `${what} started no task.`);
  await awaitCancellableTask(session, task, what, options);
}

export async function checkRelocate(
  session: Session,
  vm: string,
  spec: RelocateSpec,
  options: TaskOptions = {},
): Promise<RelocateCheck> {
  const checker = session.content.vmProvisioningChecker;
  if (checker === undefined) {
    throw new VsphereError('NotSupported', `${session.address} can't relocate a VM: a vCenter is needed.`);
  }
  const parameters = {
    vm: { type: 'VirtualMachine', value: vm },
    spec: await wireSpec(session, vm, spec, options),
  };
  const found = await runTask(session, 'CheckRelocate_Task', checker, parameters, options);
  const results = (found ?? []) as readonly CheckResult[];
  return {
    errors: results.flatMap(({ error }) => (error ?? []).map(findingOf)),
    warnings: results.flatMap(({ warning }) => (warning ?? []).map(findingOf)),
  };
}

function findingOf({ fault, localizedMessage }: LocalizedMethodFault): RelocateFinding {
  const name = fault.$type ?? 'MethodFault';
  return { fault: name, text: localizedMessage ?? name };
}

async function wireSpec(
  session: Session,
  vm: string,
  spec: RelocateSpec,
  options: CallOptions,
): Promise<VirtualMachineRelocateSpec> {
  const { folder, pool, host, diskMoveType, disks = [] } = spec;
  const deviceChange = await nicChanges(session, vm, spec.networks ?? [], options);
  return {
    ...(folder === undefined ? {} : { folder: { type: 'Folder', value: folder } }),
    datastore: { type: 'Datastore', value: spec.datastore },
    ...(diskMoveType === undefined ? {} : { diskMoveType }),
    ...(pool === undefined ? {} : { pool: { type: 'ResourcePool', value: pool } }),
    ...(host === undefined ? {} : { host: { type: 'HostSystem', value: host } }),
    ...(disks.length === 0 ? {} : { disk: disks.map(diskLocator) }),
    ...(deviceChange.length === 0 ? {} : { deviceChange }),
  };
}

function diskLocator({ key, datastore, diskMoveType }: NonNullable<RelocateSpec['disks']>[number]) {
  return {
    diskId: key,
    datastore: { type: 'Datastore', value: datastore },
    ...(diskMoveType === undefined ? {} : { diskMoveType }),
  };
}

const PLACE_PATHS = [
  'parent',
  'resourcePool',
  'runtime.host',
  'summary.config.vmPathName',
  'config.hardware.device',
] as const;

/** Whether the VM stands where `spec` wants it: folder, pool, host, its own files, and the top of every disk. */
async function isThere(
  session: Session,
  vm: string,
  spec: RelocateSpec,
  options: CallOptions,
): Promise<boolean> {
  const ref = { type: 'VirtualMachine', value: vm } as const;
  const read = (await readObject(session, ref, PLACE_PATHS, options))?.read;
  const path = read?.['summary.config.vmPathName'];
  const devices = read?.['config.hardware.device'];
  if (read === undefined || path === undefined || devices === undefined) return false;
  const placed: readonly [wanted: string | undefined, standing: string | undefined][] = [
    [spec.folder, read.parent?.value],
    [spec.pool, read.resourcePool?.value],
    [spec.host, read['runtime.host']?.value],
  ];
  if (placed.some(([wanted, standing]) => wanted !== undefined && wanted !== standing)) return false;
  const targets = new Map((spec.disks ?? []).map(({ key, datastore }) => [key, datastore]));
  const files: readonly [datastore: string, file: string][] = [
    [spec.datastore, path],
    ...devices
      .filter(isDisk)
      .map((disk): [string, string] => [targets.get(disk.key) ?? spec.datastore, fileNameOf(disk.backing)]),
  ];
  for (const [datastore, file] of files) {
    const name = await datastoreName(session, datastore, options);
    if (name === undefined || !file.startsWith(`[${name}] `)) return false;
  }
  return true;
}

function fileNameOf(backing: unknown): string {
  const isFile = typeof backing === 'object' && backing !== null && 'fileName' in backing;
  return isFile ? String(backing.fileName) : '';
}

async function datastoreName(
  session: Session,
  datastore: string,
  options: CallOptions,
): Promise<string | undefined> {
  const found = await readObject(session, { type: 'Datastore', value: datastore }, ['name'], options);
  return found?.read.name;
}

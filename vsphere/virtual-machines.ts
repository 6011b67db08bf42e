// VMs of a target: finding, registering, reading and reconfiguring them. Every call can be repeated after a
// crash between the call and its answer: it looks before it acts, and takes what it finds done for done.
import { VsphereError } from './errors.ts';
import { decodeName, encodeName } from './names.ts';
import { nicChanges } from './network-cards.ts';
import { listAll, listObjects, readObject, watchObject } from './property-collector.ts';
import type { ManagedObjectReference, OptionValue } from './schema/vim25.ts';
import type { Session } from './session.ts';
import { outwaitTasks, runningTasks, runTask } from './tasks.ts';
import type {
  CallOptions,
  ListVmsOptions,
  ReconfigureSpec,
  RegisterVmSpec,
  TaskOptions,
  Vm,
  VmState,
  VmSummary,
  WaitForVmOptions,
} from './types.ts';
import { STATE_PATHS, SUMMARY_PATHS, stateOf, summaryOf, VM_PATHS, vmOf } from './vm-state.ts';

export const vmRef = (moref: string) => ({ type: 'VirtualMachine', value: moref }) as const;

export async function* listVms(session: Session, options: ListVmsOptions = {}): AsyncGenerator<VmSummary> {
  const { templates = false, signal } = options;
  for await (const page of listObjects(session, 'VirtualMachine', SUMMARY_PATHS, { signal })) {
    for (const vm of page) if (templates || vm.read['config.template'] !== true) yield summaryOf(vm);
  }
}

export async function readVm(
  session: Session,
  vm: string,
  options: CallOptions = {},
): Promise<Vm | undefined> {
  const found = await readObject(session, vmRef(vm), VM_PATHS, options);
  return found === undefined ? undefined : vmOf(found);
}

/** Extra configuration alone is read of all VMs, the rest only of those that match. */
export async function findVmsByExtraConfig(
  session: Session,
  key: string,
  value: string,
  options: CallOptions = {},
): Promise<readonly VmSummary[]> {
  const paths = ['config.extraConfig', 'config.template'] as const;
  const matches: string[] = [];
  for await (const page of listObjects(session, 'VirtualMachine', paths, options)) {
    for (const { ref, read } of page) {
      const isMarked = read['config.extraConfig']?.some((each) => each.key === key && each.value === value);
      if (isMarked === true && read['config.template'] !== true) matches.push(ref.value);
    }
  }
  return readSummaries(session, matches, options);
}

export async function findVmsByName(
  session: Session,
  name: string,
  options: CallOptions = {},
): Promise<readonly VmSummary[]> {
  const matches: string[] = [];
  for await (const page of listObjects(session, 'VirtualMachine', ['name'], options)) {
    for (const { ref, read } of page) if (decodeName(read.name ?? '') === name) matches.push(ref.value);
  }
  return readSummaries(session, matches, options);
}

export async function findVmByPath(
  session: Session,
  path: string,
  options: CallOptions = {},
): Promise<VmSummary | undefined> {
  for (const { ref } of await listAll(session, 'Datacenter', ['name'], options)) {
    const vm = await findInDatacenter(session, ref, path, options);
    if (vm !== undefined) return vm;
  }
  return undefined;
}

export async function registerVm(
  session: Session,
  spec: RegisterVmSpec,
  options: TaskOptions = {},
): Promise<string> {
  const folder = { type: 'Folder', value: spec.folder } as const;
  const what = `Registering ${spec.path} at ${session.address}`;
  const standing = async (): Promise<string | undefined> =>
    (await findVmByPath(session, spec.path, options))?.moref;
  /** A task does not tell which path it registers, so all that run in the folder are waited for. */
  const standingAfterTasks = async (): Promise<string | undefined> => {
    const recent = (await readObject(session, folder, ['recentTask'], options))?.read.recentTask ?? [];
    const running = await runningTasks(session, recent, ['Folder.registerVm'], options.signal);
    await outwaitTasks(session, running, what, options);
    return standing();
  };
  const before = (await standing()) ?? (await standingAfterTasks());
  if (before !== undefined) return before;
  try {
    const made = await runTask(
      session,
      'RegisterVM_Task',
      folder,
      {
        path: spec.path,
        name: encodeName(spec.name),
        asTemplate: false,
        pool: { type: 'ResourcePool', value: spec.pool },
        host: { type: 'HostSystem', value: spec.host },
      },
      options,
    );
    const moref = (made as ManagedObjectReference | undefined)?.value ?? (await standing());
    if (moref === undefined)
      throw new VsphereError('Unexpected', `${what} succeeded, but there is no such VM.`);
    return moref;
  } catch (error) {
    if (!(error instanceof VsphereError) || error.code !== 'AlreadyExists') throw error;
    const after = await standingAfterTasks();
    if (after === undefined) throw error;
    return after;
  }
}

export async function unregisterVm(session: Session, vm: string, options: CallOptions = {}): Promise<void> {
  try {
    await session.call('UnregisterVM', vmRef(vm), {}, options);
  } catch (error) {
    if (!(error instanceof VsphereError) || error.code !== 'NotFound') throw error;
  }
}

export async function reconfigureVm(
  session: Session,
  vm: string,
  spec: ReconfigureSpec,
  options: TaskOptions = {},
): Promise<void> {
  const extraConfig: OptionValue[] = Object.entries(spec.extraConfig ?? {}).map(([key, value]) => ({
    key,
    value,
  }));
  const deviceChange = await nicChanges(session, vm, spec.nics ?? [], options);
  await runTask(
    session,
    'ReconfigVM_Task',
    vmRef(vm),
    {
      spec: {
        ...(spec.annotation === undefined ? {} : { annotation: spec.annotation }),
        ...(extraConfig.length === 0 ? {} : { extraConfig }),
        ...(deviceChange.length === 0 ? {} : { deviceChange }),
      },
    },
    options,
  );
}

export async function renameVm(
  session: Session,
  vm: string,
  name: string,
  options: TaskOptions = {},
): Promise<void> {
  const found = await readObject(session, vmRef(vm), ['name'], options);
  // A target may refuse a VM its own name.
  if (found?.read.name !== undefined && decodeName(found.read.name) === name) return;
  await runTask(session, 'Rename_Task', vmRef(vm), { newName: encodeName(name) }, options);
}

export async function destroyVm(session: Session, vm: string, options: TaskOptions = {}): Promise<void> {
  try {
    await runTask(session, 'Destroy_Task', vmRef(vm), {}, options);
  } catch (error) {
    if (!(error instanceof VsphereError) || error.fault !== 'ManagedObjectNotFound') throw error;
  }
}

export async function answerVm(
  session: Session,
  vm: string,
  questionId: string,
  choiceKey: string,
  options: CallOptions = {},
): Promise<void> {
  try {
    await session.call('AnswerVM', vmRef(vm), { questionId, answerChoice: choiceKey }, options);
  } catch (error) {
    // Somebody answered it meanwhile.
    if (!(error instanceof VsphereError) || error.fault !== 'ConcurrentAccess') throw error;
  }
}

export async function waitForVm(
  session: Session,
  vm: string,
  predicate: (state: VmState) => boolean,
  options: WaitForVmOptions,
): Promise<VmState | undefined> {
  return watchObject(session, vmRef(vm), STATE_PATHS, options, (read) => {
    const state = stateOf(read);
    options.onChange?.(state);
    return predicate(state) ? state : undefined;
  });
}

async function findInDatacenter(
  session: Session,
  datacenter: ManagedObjectReference,
  path: string,
  options: CallOptions,
): Promise<VmSummary | undefined> {
  const { searchIndex } = session.content;
  if (searchIndex === undefined) return undefined;
  try {
    const vm = await session.call('FindByDatastorePath', searchIndex, { datacenter, path }, options);
    return vm === undefined ? undefined : await readSummary(session, vm.value, options);
  } catch (error) {
    // In a datacenter without that datastore.
    if (error instanceof VsphereError && error.fault === 'InvalidDatastore') return undefined;
    throw error;
  }
}

/** Those that are still there. */
async function readSummaries(
  session: Session,
  vms: readonly string[],
  options: CallOptions,
): Promise<readonly VmSummary[]> {
  const summaries: VmSummary[] = [];
  for (const vm of vms) {
    const summary = await readSummary(session, vm, options);
    if (summary !== undefined) summaries.push(summary);
  }
  return summaries;
}

async function readSummary(
  session: Session,
  vm: string,
  options: CallOptions,
): Promise<VmSummary | undefined> {
  const found = await readObject(session, vmRef(vm), SUMMARY_PATHS, options);
  return found === undefined ? undefined : summaryOf(found);
}

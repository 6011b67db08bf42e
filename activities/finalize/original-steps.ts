// The VM whose place a session's VM takes: set aside under another name, given back, or deleted in the end. Each step
// looks at it first: it must be the machine that preflight saw, under one of the two names that it may have by then,
// and none of a session's. Each can be repeated.
import type { MigrateVmInput, OriginalPlan } from '../../contract/index.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import { type Vm, type Vsphere, VsphereError } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { sightVm } from '../vm-standing.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

/** A guest that was asked to shut down has this long before it is powered off. */
const SHUTDOWN_LIMIT_MS = 60_000;

export function setOriginalAside(deps: Deps, input: MigrateVmInput, step: Step): Promise<void> {
  return withOriginal(deps, input, step, async (vsphere, original, vm) => {
    if (vm === undefined)
      throw failureFor('NotFound', `The original ${original.name} is not in the inventory any more`);
    if (vm.powerState !== 'poweredOff') {
      if (!original.wasPoweredOn) {
        throw failureFor('NotOurs', `The original ${vm.name} was started meanwhile: it is not powered off`);
      }
      if (vm.powerState === 'suspended') {
        throw failureFor(
          'NotOurs',
          `The original ${vm.name} was suspended meanwhile: resume it, or power it off`,
        );
      }
      await shutDown(vsphere, vm, step);
    }
    await vsphere.renameVm(vm.moref, original.asideName, { signal: step.signal });
  });
}

export function restoreOriginal(
  deps: Deps,
  input: MigrateVmInput,
  step: Step,
): Promise<{ readonly standsAs: string | undefined }> {
  return withOriginal(deps, input, step, async (vsphere, original, vm) => {
    const { signal } = step;
    const successor = await sightVm(vsphere, input, input.moref, step);
    if (successor.standing === 'moved') {
      throw failureFor(
        'VmMoved',
        `The session's VM is in production (${successor.detail}): its original stays ${vm?.name ?? 'gone'}`,
      );
    }
    if (vm === undefined) return { standsAs: undefined };
    await vsphere.renameVm(vm.moref, original.name, { signal });
    if (original.wasPoweredOn) await vsphere.powerOnVm(vm.moref, { movedOrCopied: 'moved', signal });
    return { standsAs: original.name };
  });
}

export function removeOriginal(deps: Deps, input: MigrateVmInput, step: Step): Promise<void> {
  return withOriginal(deps, input, step, async (vsphere, original, vm) => {
    if (vm === undefined) return;
    if (vm.name !== original.asideName || vm.powerState !== 'poweredOff') {
      throw failureFor('NotOurs', `${vm.name} is ${vm.powerState}, and not set aside: it is not deleted`);
    }
    await assertAlone(vsphere, vm, step);
    await vsphere.destroyVm(vm.moref, { signal: step.signal });
  });
}

/** Throws NotOurs when the VM under that reference is another one by now; the body gets undefined when it is gone. */
async function withOriginal<T>(
  deps: Deps,
  input: MigrateVmInput,
  step: Step,
  body: (vsphere: Vsphere, original: OriginalPlan, vm: Vm | undefined) => Promise<T>,
): Promise<T> {
  assertOwnSession(step, input.sessionId);
  const { original } = input.plan;
  if (original === undefined) throw failureFor('InvalidInput', 'the plan of the finalize names no original');
  return withTarget(deps, step, input.target, async (vsphere) => {
    const vm = await vsphere.readVm(original.moref, { signal: step.signal });
    if (vm !== undefined) assertSame(vm, original, input);
    return body(vsphere, original, vm);
  });
}

function assertSame(vm: Vm, { uuid, name, asideName }: OriginalPlan, { moref }: MigrateVmInput): void {
  const isSame = vm.uuid === uuid && [name, asideName].includes(vm.name);
  if (isSame && vm.moref !== moref && !(SESSION_KEY in vm.extraConfig)) return;
  throw failureFor(
    'NotOurs',
    `${vm.name} (${vm.moref}) is not the original ${name} any more: somebody changed it. It is not touched`,
  );
}

/** Deleting a VM deletes its disks, so no other VM may stand on one of them. */
async function assertAlone(vsphere: Vsphere, vm: Vm, { signal }: Step): Promise<void> {
  const files = new Set(vm.disks.flatMap(({ fileName, parents }) => [fileName, ...parents]));
  for await (const other of vsphere.listVms({ templates: true, signal })) {
    const shared = other.moref === vm.moref ? undefined : other.diskFiles.find((file) => files.has(file));
    if (shared === undefined) continue;
    throw failureFor('NotOurs', `${other.name} uses ${shared} of ${vm.name}: that is not deleted`);
  }
}

/** By its guest where Tools run, else hard. */
async function shutDown(vsphere: Vsphere, vm: Vm, { signal }: Step): Promise<void> {
  if (vm.toolsRunningStatus === 'guestToolsRunning') {
    try {
      await vsphere.shutdownGuest(vm.moref, { signal });
      await vsphere.waitForVm(vm.moref, ({ powerState }) => powerState === 'poweredOff', {
        timeoutMs: SHUTDOWN_LIMIT_MS,
        signal,
      });
    } catch (error) {
      if (!(error instanceof VsphereError) || error.code !== 'InvalidState') throw error;
    }
  }
  await vsphere.powerOffVm(vm.moref, { signal });
}

// Adds the copied disk to the VM. A worker may have died between the call and its answer, so the VM's own devices are
// read first (vsphere/attached-disks.ts): the disk is added once.
import type { RestoreDiskStepInput } from '../../contract/index.ts';
import { VsphereError, type VsphereErrorCode } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { pathOf } from './disk-file.ts';

/** What the host has against it, in words of its own: another attempt hears the same. */
const REFUSALS: ReadonlySet<VsphereErrorCode> = new Set(['PowerOnFailed', 'Unexpected']);

export async function attachRestoredDisk(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: RestoreDiskStepInput,
  step: Step,
): Promise<{ readonly node: string }> {
  assertOwnSession(step, input.sessionId);
  const { vm, disk, file } = input;
  const spec = { path: pathOf(file), capacityBytes: disk.sizeBytes };
  return withTarget(deps, step, input.target, async (vsphere) => {
    try {
      return { node: await vsphere.attachDisk(vm.moref, spec, { signal: step.signal }) };
    } catch (error) {
      if (!(error instanceof VsphereError) || !REFUSALS.has(error.code)) throw error;
      throw failureFor('AttachFailed', `VM ${vm.name} does not take the disk ${spec.path}: ${error.message}`);
    }
  });
}

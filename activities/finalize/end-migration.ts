// Ends a migration that a finalize does not want any more, or that it lost sight of: asks the target to cancel its
// task, waits until that has ended one way or the other, gives a VM that is still here its name back, and says where
// it is. No task is done.
import type { MigrateVmInput, VmSighting } from '../../contract/index.ts';
import { type Vsphere, VsphereError } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { sightVm } from '../vm-standing.ts';
import { relocateSpec } from './relocate-spec.ts';

export async function endMigration(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: MigrateVmInput,
  step: Step,
): Promise<VmSighting> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    await cancelTask(vsphere, input, step);
    const seen = await sightVm(vsphere, input, input.moref, step);
    const { rename } = input.plan;
    if (seen.standing === 'ours' && rename !== undefined) {
      await vsphere.renameVm(input.moref, rename.from, { signal: step.signal });
    }
    return seen;
  });
}

/** A relocation whose signal is aborted from the start begins nothing: it attaches to what runs, and cancels it. */
async function cancelTask(vsphere: Vsphere, { moref, plan }: MigrateVmInput, step: Step): Promise<void> {
  try {
    await vsphere.relocateVm(moref, relocateSpec(plan), { signal: AbortSignal.abort(), detach: step.signal });
  } catch (error) {
    // However the task ended, it has; only a target that does not answer leaves that open.
    const isOver = error instanceof VsphereError && error.code !== 'TargetUnavailable';
    if (!isOver || step.signal.aborted) throw error;
  }
}

// The folder of a VM that is being restored, from its claim until it is production's, or gone again (owned-folder.ts).
import {
  inProduction,
  type ProductionFolder,
  type RemoveRestoreInput,
  type RestoreStepInput,
} from '../../contract/index.ts';
import { endCopy } from '../copy-disk.ts';
import type { ActivityDeps } from '../deps.ts';
import { removeLateVm } from '../own-vm.ts';
import { claimFolder, type OwnedFolder, releaseFolder, removeFolder } from '../owned-folder.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { vmxOf } from '../vm-standing.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

/** Answers where the folder is for good: a vSAN calls it by a UUID, and so must what lies in it. */
export async function claimRestoreFolder(
  deps: Deps,
  input: RestoreStepInput,
  step: Step,
): Promise<ProductionFolder> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const made = await claimFolder(vsphere, ownFolder(input), step);
    return { ...input.production, folder: made.slice(made.indexOf('] ') + 2) };
  });
}

/** What may still come is ended first: a copy, and a registration whose answer nobody got. */
export async function removeRestore(deps: Deps, input: RemoveRestoreInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    if (input.task !== undefined) await endCopy(vsphere, input.task, step);
    await removeLateVm(vsphere, vmxOf(inProduction(input)), input.sessionId, step);
    await removeFolder(vsphere, ownFolder(input), step);
  });
}

export async function releaseRestoreFolder(deps: Deps, input: RestoreStepInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) => releaseFolder(vsphere, ownFolder(input), step));
}

function ownFolder({ sessionId, production: { datastore, folder } }: RestoreStepInput): OwnedFolder {
  const words = `Run Direct restores a VM into this folder (session ${sessionId}).`;
  return { path: `[${datastore}] ${folder}`, sessionId, purpose: 'restore', words };
}

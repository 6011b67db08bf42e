// The VM's folder in production, from its claim until it is production's, or gone again (owned-folder.ts).
import type {
  CrossingStepInput,
  ProductionFolder,
  RemoveProductionFolderInput,
} from '../../../contract/index.ts';
import { endCopy } from '../../copy-disk.ts';
import type { ActivityDeps } from '../../deps.ts';
import { removeLateVm } from '../../own-vm.ts';
import { claimFolder, type OwnedFolder, releaseFolder, removeFolder } from '../../owned-folder.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { productionFolder, vmxInProduction } from './place.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

/** Answers where the folder is for good: a vSAN calls it by a UUID, and so must what lies in it. */
export async function claimProductionFolder(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<ProductionFolder> {
  assertOwnSession(step, input.sessionId);
  const { datastore } = input.crossing.folder;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const made = await claimFolder(vsphere, ownFolder(input), step);
    return { datastore, folder: made.slice(made.indexOf('] ') + 2) };
  });
}

export async function releaseProductionFolder(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) => releaseFolder(vsphere, ownFolder(input), step));
}

export async function removeProductionFolder(
  deps: Deps,
  input: RemoveProductionFolderInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    for (const task of input.tasks) await endCopy(vsphere, task, step);
    await removeLateVm(vsphere, vmxInProduction(input), input.sessionId, step);
    await removeFolder(vsphere, ownFolder(input), step);
  });
}

function ownFolder(input: CrossingStepInput): OwnedFolder {
  const { sessionId } = input;
  const words = `Run Direct takes a VM to this folder (session ${sessionId}).`;
  return { path: productionFolder(input), sessionId, purpose: 'finalize', words };
}

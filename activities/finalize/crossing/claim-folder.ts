// The VM's folders in production, from their claim until they are production's, or gone again (production-place.ts).
import type {
  CrossingStepInput,
  ProductionPlace,
  RemoveProductionFolderInput,
} from '../../../contract/index.ts';
import { endCopy } from '../../copy-disk.ts';
import type { ActivityDeps } from '../../deps.ts';
import { removeLateVm } from '../../own-vm.ts';
import { claimPlace, type PlaceOwner, releasePlace, removePlace } from '../../production-place.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { vmxInProduction } from './place.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

/** Answers where the folders are for good: a vSAN calls each by a UUID, and so must what lies in it. */
export async function claimProductionFolder(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<ProductionPlace> {
  assertOwnSession(step, input.sessionId);
  const { folder } = input.crossing;
  return withTarget(deps, step, input.target, (vsphere) => claimPlace(vsphere, folder, ownerOf(input), step));
}

export async function releaseProductionFolder(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const { folder } = input.crossing;
  await withTarget(deps, step, input.target, (vsphere) =>
    releasePlace(vsphere, folder, ownerOf(input), step),
  );
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
    await removePlace(vsphere, input.crossing.folder, ownerOf(input), step);
  });
}

const ownerOf = ({ sessionId }: CrossingStepInput): PlaceOwner => ({
  ...{ sessionId, purpose: 'finalize' },
  words: `Run Direct takes a VM to this folder (session ${sessionId}).`,
});

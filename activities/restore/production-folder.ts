// The folders of a VM that is being restored, from their claim until they are production's, or gone again
// (production-place.ts).
import {
  inProduction,
  type ProductionPlace,
  type RemoveRestoreInput,
  type RestoreStepInput,
} from '../../contract/index.ts';
import { endCopy } from '../copy-disk.ts';
import type { ActivityDeps } from '../deps.ts';
import { removeLateVm } from '../own-vm.ts';
import { claimPlace, type PlaceOwner, releasePlace, removePlace } from '../production-place.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { vmxOf } from '../vm-standing.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

/** Answers where the folders are for good: a vSAN calls each by a UUID, and so must what lies in it. */
export async function claimRestoreFolder(
  deps: Deps,
  input: RestoreStepInput,
  step: Step,
): Promise<ProductionPlace> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, (vsphere) =>
    claimPlace(vsphere, input.production, ownerOf(input), step),
  );
}

/** What may still come is ended first: a copy, and a registration whose answer nobody got. */
export async function removeRestore(deps: Deps, input: RemoveRestoreInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    if (input.task !== undefined) await endCopy(vsphere, input.task, step);
    await removeLateVm(vsphere, vmxOf(inProduction(input)), input.sessionId, step);
    await removePlace(vsphere, input.production, ownerOf(input), step);
  });
}

export async function releaseRestoreFolder(deps: Deps, input: RestoreStepInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) =>
    releasePlace(vsphere, input.production, ownerOf(input), step),
  );
}

const ownerOf = ({ sessionId }: RestoreStepInput): PlaceOwner => ({
  ...{ sessionId, purpose: 'restore' },
  words: `Run Direct restores a VM into this folder (session ${sessionId}).`,
});

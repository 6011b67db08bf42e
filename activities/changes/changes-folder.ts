// The folder of a session's changes on a production datastore: made before the VM is registered, removed when nothing
// stands on it any more. It is called after the session, so that only this session's VM can have files there; should
// another have some all the same, the folder stays.
import { changesFolder, type TargetStepInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { removeLateVm } from '../own-vm.ts';
import { claimFolder, type OwnedFolder, removeFolder } from '../owned-folder.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { changesPath, vmxOf } from '../vm-standing.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

export async function claimChangesFolder(deps: Deps, input: TargetStepInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const folder = ownFolder(input);
  if (folder === undefined) return;
  await withTarget(deps, step, input.target, (vsphere) => claimFolder(vsphere, folder, step));
}

export async function removeChangesFolder(deps: Deps, input: TargetStepInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const folder = ownFolder(input);
  if (folder === undefined) return;
  await withTarget(deps, step, input.target, async (vsphere) => {
    await removeLateVm(vsphere, vmxOf(input), input.sessionId, step);
    await removeFolder(vsphere, folder, step);
  });
}

/** Throws NotOurs for a placement that names a folder which is not called after its session. */
function ownFolder({ sessionId, placement }: TargetStepInput): OwnedFolder | undefined {
  const { changes } = placement;
  const path = changesPath({ placement });
  if (changes === undefined || path === undefined) return undefined;
  if (changesFolder(changes.datastore, sessionId).folder !== changes.folder) {
    throw failureFor('NotOurs', `Folder ${path} is not that of the changes of session ${sessionId}`);
  }
  const words = `Run Direct keeps the changes of a VM in this folder (session ${sessionId}).`;
  return { path, sessionId, purpose: 'changes', words };
}

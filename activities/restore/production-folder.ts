// The folder of a VM that is being restored: made, known to be this restore's, and removed again or handed over.
//
// A file in it says whose it is, from before the first disk is copied until the VM is production's. Two restores that
// want one folder at the same moment both write theirs, and then look: at least one sees the other's, and gives up.
// Only a folder with this restore's file alone, or an empty one, is ever removed.
import {
  inProduction,
  type ProductionFolder,
  type RemoveRestoreInput,
  type RestoreStepInput,
} from '../../contract/index.ts';
import type { DatastoreFile } from '../../vsphere/index.ts';
import { endCopy } from '../copy-disk.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { removeOwnVm } from '../own-vm.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { nameInFolder } from './production-look.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

const OWNER_FILE = /^rundirect-.+\.restore$/;

/** Answers where the folder is for good: a vSAN calls it by a UUID, and so must what lies in it. */
export async function claimRestoreFolder(
  deps: Deps,
  input: RestoreStepInput,
  step: Step,
): Promise<ProductionFolder> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    const path = pathOf(input.production);
    const before = await vsphere.listFolder(path, { signal });
    if (before !== undefined && before.length > 0 && !isOurs(before, input)) throw taken(path, before);
    const made = await vsphere.makeDirectory(path, { signal });
    const words = `Run Direct restores a VM into this folder (session ${input.sessionId}).\n`;
    await vsphere.uploadFile(`${path}/${ownerFile(input)}`, Buffer.from(words), { signal });
    const after = (await vsphere.listFolder(path, { signal })) ?? [];
    if (isOurs(after, input)) return { ...input.production, folder: made.slice(made.indexOf('] ') + 2) };
    await vsphere.deleteDatastoreFile(`${path}/${ownerFile(input)}`, { signal });
    throw taken(
      path,
      after.filter((file) => nameInFolder(file) !== ownerFile(input)),
    );
  });
}

/** What may still come is ended first: a copy, and a registration whose answer nobody got. */
export async function removeRestore(deps: Deps, input: RemoveRestoreInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    if (input.task !== undefined) await endCopy(vsphere, input.task, step);
    const path = pathOf(input.production);
    const files = await vsphere.listFolder(path, { signal });
    if (files === undefined || (files.length > 0 && !isOurs(files, input))) return;
    await removeOwnVm(vsphere, { ...inProduction(input), moref: undefined }, step);
    await vsphere.deleteDatastoreFile(path, { signal });
  });
}

export async function releaseRestoreFolder(deps: Deps, input: RestoreStepInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const file = `${pathOf(input.production)}/${ownerFile(input)}`;
  await withTarget(deps, step, input.target, (vsphere) =>
    vsphere.deleteDatastoreFile(file, { signal: step.signal }),
  );
}

const pathOf = ({ datastore, folder }: ProductionFolder): string => `[${datastore}] ${folder}`;
const ownerFile = ({ sessionId }: RestoreStepInput): string => `rundirect-${sessionId}.restore`;

/** Ours, and nobody else's. */
function isOurs(files: readonly DatastoreFile[], input: RestoreStepInput): boolean {
  const owners = files.map(nameInFolder).filter((name) => OWNER_FILE.test(name));
  return owners.length === 1 && owners[0] === ownerFile(input);
}

function taken(path: string, files: readonly DatastoreFile[]): Error {
  return failureFor(
    'NameTaken',
    `Folder ${path} was made by somebody else meanwhile (${files.map(nameInFolder).join(', ')}): nothing is written there`,
  );
}

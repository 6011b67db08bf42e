// The VM's folder in production. A file in it says whose it is, from before the first disk is copied until the VM is
// production's; two that want one folder at the same moment both write theirs and then look, so that at least one
// gives up. A folder that is not this session's is never written to, and never removed.
import type {
  CrossingStepInput,
  ProductionFolder,
  RemoveProductionFolderInput,
} from '../../../contract/index.ts';
import type { DatastoreFile } from '../../../vsphere/index.ts';
import { endCopy } from '../../copy-disk.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { nameOf, productionFolder } from './place.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

const OWNER_FILE = /^rundirect-.+\.(finalize|restore)$/;

/** Answers where the folder is for good: a vSAN calls it by a UUID, and so must what lies in it. */
export async function claimProductionFolder(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<ProductionFolder> {
  assertOwnSession(step, input.sessionId);
  const folder = productionFolder(input);
  const { datastore } = input.crossing.folder;
  const { signal } = step;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const before = (await vsphere.listFolder(folder, { signal })) ?? [];
    const wasOurs = isOurs(before, input);
    if (before.length > 0 && !wasOurs) throw taken(folder, before);
    const made = await vsphere.makeDirectory(folder, { signal });
    const lasting = { datastore, folder: made.slice(made.indexOf('] ') + 2) };
    if (wasOurs) return lasting;
    const words = `Run Direct takes a VM to this folder (session ${input.sessionId}).\n`;
    await vsphere.uploadFile(ownerFile(input), Buffer.from(words), { signal });
    const after = (await vsphere.listFolder(folder, { signal })) ?? [];
    if (isOurs(after, input)) return lasting;
    await vsphere.deleteDatastoreFile(ownerFile(input), { signal });
    throw taken(folder, after);
  });
}

export async function releaseProductionFolder(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) =>
    vsphere.deleteDatastoreFile(ownerFile(input), { signal: step.signal }),
  );
}

export async function removeProductionFolder(
  deps: Deps,
  input: RemoveProductionFolderInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const folder = productionFolder(input);
  const { signal } = step;
  await withTarget(deps, step, input.target, async (vsphere) => {
    for (const task of input.tasks) await endCopy(vsphere, task, step);
    const files = await vsphere.listFolder(folder, { signal });
    // An empty one was made by a claim that got no further, or by nobody who misses it.
    if (files === undefined || (files.length > 0 && !isOurs(files, input))) return;
    await vsphere.deleteDatastoreFile(folder, { signal });
  });
}

/** Names of files that say that a session, or a restore, claims the folder. */
const ownersOf = (files: readonly DatastoreFile[]): readonly string[] =>
  files.map(({ path }) => nameOf(path)).filter((name) => OWNER_FILE.test(name));

const ownerName = ({ sessionId }: Pick<CrossingStepInput, 'sessionId'>): string =>
  `rundirect-${sessionId}.finalize`;

const ownerFile = (input: CrossingStepInput): string => `${productionFolder(input)}/${ownerName(input)}`;

/** Ours, and nobody else's. */
function isOurs(files: readonly DatastoreFile[], input: CrossingStepInput): boolean {
  const owners = ownersOf(files);
  return owners.length === 1 && owners[0] === ownerName(input);
}

function taken(folder: string, files: readonly DatastoreFile[]): Error {
  const named = files.map(({ path }) => nameOf(path)).join(', ');
  return failureFor('NameTaken', `Folder ${folder} is somebody else's (${named}): nothing is written there`);
}

// The file of a disk that is restored beside a VM's own, and its folder. The file's name holds the session's id, which
// is given once: so whatever bears it is this session's, and nobody's file is written over or removed.
import type { RestoreDiskStepInput, RestoredDiskFile } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';

const DESCRIPTOR_END = /\.vmdk$/i;
/** Together with a session's id it stays below what datastores take. */
const MAX_STEM_CHARACTERS = 60;
/** Of a disk that no snapshot stands on: its descriptor, its data, and what tracks its changes. */
const PART_ENDS = ['.vmdk', '-flat.vmdk', '-ctk.vmdk'] as const;

export const pathOf = ({ datastore, folder, name }: RestoredDiskFile): string =>
  `[${datastore}] ${folder}/${name}`;

/** `web01_1.vmdk` becomes `web01_1-web01-k3v9q2m4xa.vmdk`. */
export function fileNameFor(diskName: string, sessionId: string): string {
  return `${diskName.replace(DESCRIPTOR_END, '').slice(0, MAX_STEM_CHARACTERS)}-${sessionId}.vmdk`;
}

/**
 * The paths of all files that the disk can have. By their whole names: what begins as they do may be another session's,
 * whose id goes on where this one's ends.
 */
export function partsOf({ datastore, folder, name }: RestoredDiskFile): readonly string[] {
  const stem = `[${datastore}] ${folder}/${name.replace(DESCRIPTOR_END, '')}`;
  return PART_ENDS.map((end) => `${stem}${end}`);
}

/** Answers where the folder is for good: a vSAN calls it by a UUID, and so must what lies in it. */
export async function openDiskFolder(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  { sessionId, target, file }: RestoreDiskStepInput,
  step: Step,
): Promise<RestoredDiskFile> {
  assertOwnSession(step, sessionId);
  return withTarget(deps, step, target, async (vsphere) => {
    const { signal } = step;
    const made = file.isNewFolder
      ? await vsphere.makeDirectory(`[${file.datastore}] ${file.folder}`, { signal })
      : undefined;
    const opened = made === undefined ? file : { ...file, folder: made.slice(made.indexOf('] ') + 2) };
    if ((await vsphere.listFolder(`[${opened.datastore}] ${opened.folder}`, { signal })) !== undefined) {
      return opened;
    }
    throw failureFor(
      'NotFound',
      `Folder [${opened.datastore}] ${opened.folder} is not there any more: somebody moved the VM. Give the command again`,
    );
  });
}

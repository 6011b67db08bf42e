// A snapshot while the VM runs: its child is read back, told what kind it is of, and merged again.
import { type ProvePrimitive, type ProveRow, type ProveStepInput } from '../../contract/index.ts';
import { parseDescriptor } from '../../vm-folder/index.ts';
import type { VirtualDisk, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { trial, Unmet } from './trial.ts';

const ROWS: readonly ProvePrimitive[] = ['snapshot', 'childKind', 'consolidate'];

export async function proveSnapshot(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: ProveStepInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { moref } = input;
    const tried = trial(step);
    let disk: VirtualDisk | undefined;
    await tried.attempt('snapshot', async (signal) => {
      await ensureRunning(vsphere, moref, signal);
      disk = await takeSnapshot(vsphere, moref, signal);
      return `${disk.fileName} over ${disk.parents.join(', ')}`;
    });
    const child = disk;
    if (child !== undefined) {
      await tried.attempt('childKind', async (signal) => {
        const bytes = await vsphere.downloadFile(child.fileName, { signal });
        return parseDescriptor(bytes, child.fileName).createType;
      });
      await tried.attempt('consolidate', async (signal) => {
        await vsphere.removeAllSnapshots(moref, { signal });
        return assertMerged(await readDisk(vsphere, moref, signal), child.parents.at(-1) ?? '');
      });
    }
    return tried.rows(ROWS);
  });
}

/** One that did not resume is booted: what comes next is about a VM that runs. */
async function ensureRunning(vsphere: Vsphere, moref: string, signal: AbortSignal): Promise<void> {
  const vm = await vsphere.readVm(moref, { signal });
  if (vm?.powerState === 'suspended') await vsphere.powerOffVm(moref, { signal });
  await vsphere.powerOnVm(moref, { movedOrCopied: 'moved', signal });
}

/** Answers the disk as it is read back then. Throws Unmet. */
export async function takeSnapshot(
  vsphere: Vsphere,
  moref: string,
  signal: AbortSignal,
): Promise<VirtualDisk> {
  const before = await readDisk(vsphere, moref, signal);
  const description = 'Made by a proof of Run Direct, which removes it';
  const spec = { name: 'rundirect-prove', description, memory: false, quiesce: false } as const;
  await vsphere.createSnapshot(moref, spec, { signal });
  const disk = await readDisk(vsphere, moref, signal);
  if (disk.fileName === before.fileName || !disk.parents.includes(before.fileName)) {
    throw new Unmet(
      `after the snapshot the VM's disk is ${disk.fileName} over ${disk.parents.join(', ') || 'nothing'}`,
    );
  }
  return disk;
}

/** Throws Unmet unless the disk is that file alone. */
export function assertMerged({ fileName, parents }: VirtualDisk, base: string): string {
  if (fileName === base && parents.length === 0) return `the disk is ${fileName} again, alone`;
  throw new Unmet(`the disk is ${fileName} over ${parents.join(', ') || 'nothing'}, not ${base} alone`);
}

/** The VM's one disk. Throws Unmet. */
export async function readDisk(vsphere: Vsphere, moref: string, signal: AbortSignal): Promise<VirtualDisk> {
  const [disk, another] = (await vsphere.readVm(moref, { signal }))?.disks ?? [];
  if (disk === undefined || another !== undefined) {
    throw new Unmet(`the host shows ${disk === undefined ? 'no disk' : 'several disks'} of the VM`);
  }
  return disk;
}

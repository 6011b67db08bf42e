// What is copied to production must not change meanwhile. Under a running guest a snapshot sees to that: the guest
// goes on in disks of changes, and what was there before is frozen; where the session's changes lie apart already, it is
// frozen from the start. The way back is to merge them: the snapshot is
// removed by its name, which only this session uses, and others' are left alone.
import type { CrossingDisk, CrossingStepInput, RunningVmInput } from '../../../contract/index.ts';
import { parentOf, parseDescriptor } from '../../../vm-folder/index.ts';
import type { VirtualDisk, Vm, Vsphere } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import { diskPath } from '../../production-place.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { standingOf } from '../../vm-standing.ts';
import { nameOf } from './place.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

const snapshotName = (sessionId: string): string => `rundirect-${sessionId}`;

export async function freezeDisks(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<readonly CrossingDisk[]> {
  assertOwnSession(step, input.sessionId);
  const { signal } = step;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { whileRunning, isFrozen = false } = input.crossing;
    if (whileRunning && !isFrozen) {
      const snapshot = {
        name: snapshotName(input.sessionId),
        description: 'Run Direct copies the disks to production; it removes this by itself',
        memory: false,
        quiesce: false,
      } as const;
      await vsphere.createSnapshot(input.moref, snapshot, { signal });
    }
    const vm = await readVm(vsphere, input, step);
    const disks: CrossingDisk[] = [];
    for (const disk of vm.disks) disks.push(await frozenDisk(vsphere, disk, input, step));
    return disks;
  });
}

export async function thawDisks(deps: Deps, input: RunningVmInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    await vsphere.removeSnapshot(input.moref, snapshotName(input.sessionId), { signal: step.signal });
  });
}

/** Throws MigrationFailed where the VM's disks are not those that were frozen, in number, name and layers. */
export function assertFrozen(vm: Vm, disks: readonly CrossingDisk[]): void {
  const expected = disks.map(({ top, frozen }) => [top, ...(top === frozen ? [] : [frozen])].join(' on '));
  // One that is copied as a whole takes what it stands on with it.
  const isWhole = (file: string): boolean => disks.some(({ top, frozen }) => top === file && frozen === file);
  const found = vm.disks.map(({ fileName, parents }) =>
    [fileName, ...(isWhole(fileName) ? [] : parents)].join(' on '),
  );
  if (expected.sort().join('\n') === found.sort().join('\n')) return;
  throw failureFor(
    'MigrationFailed',
    `Somebody changed the disks of ${vm.name} meanwhile (a snapshot, or a disk more): it has ` +
      `${found.join('; ')}, and ${expected.join('; ')} was to be taken over. Finalize it again`,
  );
}

/** What a disk's copy is called: as the lowest of its layers, whatever stands on that by the time it is copied. */
export const copyNameOf = ({ fileName, parents }: Pick<VirtualDisk, 'fileName' | 'parents'>): string =>
  nameOf(parents.at(-1) ?? fileName);

/**
 * Throws MigrationFailed where something that was copied as a whole was written to since: a VM that was powered on and
 * off again, while nobody watched it, shows it by that alone. A host gives a disk another content ID with the first write
 * after it was opened.
 */
export async function assertUnchanged(
  vsphere: Vsphere,
  disks: readonly CrossingDisk[],
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  for (const { top, frozen, cid } of disks) {
    if (top !== frozen) continue;
    const now = parseDescriptor(await vsphere.downloadFile(top, { signal }), top);
    if (now.cid === cid) continue;
    throw failureFor(
      'MigrationFailed',
      `Somebody ran the VM while its disks were copied: ${top} was written to since. Finalize it again`,
    );
  }
}

/** Throws NotOurs. */
export function assertOurs(vm: Vm, input: RunningVmInput): void {
  const { standing, detail } = standingOf(vm, input);
  if (standing !== 'ours') throw failureFor('NotOurs', `${vm.name} is not as the session made it: ${detail}`);
}

export async function readVm(vsphere: Vsphere, { moref }: RunningVmInput, { signal }: Step): Promise<Vm> {
  const vm = await vsphere.readVm(moref, { signal });
  if (vm === undefined) throw failureFor('NotFound', `${moref} is not in the target's inventory any more`);
  return vm;
}

async function frozenDisk(
  vsphere: Vsphere,
  disk: VirtualDisk,
  input: CrossingStepInput,
  { signal }: Step,
): Promise<CrossingDisk> {
  const { whileRunning, isFrozen = false } = input.crossing;
  const baseAlone = whileRunning || isFrozen;
  const { fileName, parents, capacityBytes } = disk;
  const [below, ...deeper] = parents;
  // A disk that a snapshot leaves out (an independent one) would change under the copy.
  if (baseAlone && (below === undefined || deeper.length > 0)) {
    throw failureFor(
      'MigrationFailed',
      `${fileName} stands on ${parents.length} disks, not on one frozen one`,
    );
  }
  const frozen = baseAlone && below !== undefined ? below : fileName;
  const base = parents.at(-1) ?? fileName;
  const descriptor = parseDescriptor(await vsphere.downloadFile(fileName, { signal }), fileName);
  return {
    ...{ top: fileName, frozen, base, sizeBytes: capacityBytes },
    copy: diskPath(input.crossing.folder, copyNameOf(disk)),
    cid: descriptor.cid,
    parent: baseAlone ? parentOf(descriptor) : undefined,
  };
}

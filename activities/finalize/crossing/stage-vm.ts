// Writes the VM's small files in its folder of production, while the old VM still stands: the .vmx as it is now that
// the guest is away, its disks and its saved state led elsewhere, and .nvram, without which an EFI guest loses its
// boot entries. Says which files in the session's directory the new VM stands on: the disks of the changes, the state.
import type { CrossingDisksInput, StagedVm } from '../../../contract/index.ts';
import { parseDescriptor, parseVmx, productionVmx, STATE_KEY } from '../../../vm-folder/index.ts';
import type { DatastoreFile, Vsphere } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import { absolute, diskInVmx } from '../../production-place.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { changesPath } from '../../vm-standing.ts';
import { assertFrozen, assertOurs, readVm } from './freeze-disks.ts';
import { nameOf, productionFolder, sessionFolder, vmxInProduction, vmxNameOf } from './place.ts';

const NVRAM = /\.nvram$/i;

export async function stageVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: CrossingDisksInput,
  step: Step,
): Promise<StagedVm> {
  assertOwnSession(step, input.sessionId);
  const { signal } = step;
  return withTarget(deps, step, input.target, async (vsphere) => {
    await assertReady(vsphere, input, step);
    const files = (await vsphere.listFolder(sessionFolder(input), { signal })) ?? [];
    const path = `${sessionFolder(input)}/${vmxNameOf(input)}`;
    const vmx = parseVmx(await vsphere.downloadFile(path, { signal }), path);
    const state = vmx.get(STATE_KEY);
    const stateFile = state === undefined || state === '' ? undefined : stateIn(state, files, input);
    const originUuid = input.placement.origin?.uuid;
    const text = productionVmx(vmx, { diskFile: diskFileIn(input), stateFile, originUuid });
    await vsphere.uploadFile(vmxInProduction(input), Buffer.from(text), { signal });
    await copyNvram(vsphere, files, input, step);
    const keep = [...(await layersOf(vsphere, input, step)), ...stateFilesOf(stateFile, files)];
    return { keep };
  });
}

/** The guest is away, and the VM what was frozen: the last look at it while it can be turned back for nothing. */
async function assertReady(vsphere: Vsphere, input: CrossingDisksInput, step: Step): Promise<void> {
  const vm = await readVm(vsphere, input, step);
  assertOurs(vm, input);
  if (vm.powerState === 'poweredOn') {
    throw failureFor('MigrationFailed', `Somebody powered ${vm.name} on while it was taken to production`);
  }
  assertFrozen(vm, input.disks);
}

/** The disk of changes stays where it is; a copy lies beside the new .vmx, or on another datastore. */
function diskFileIn({ disks, crossing }: CrossingDisksInput): (name: string) => string | undefined {
  return (name) => {
    const disk = disks.find(({ top }) => nameOf(top) === name);
    if (disk === undefined) return undefined;
    return disk.parent === undefined ? diskInVmx(crossing.folder, disk.copy) : absolute(disk.top);
  };
}

/** By a plain name it lies beside the .vmx, or in the VM's working directory: that of its changes, where it has one. */
function stateIn(state: string, files: readonly DatastoreFile[], input: CrossingDisksInput): string {
  if (state.startsWith('/')) return state;
  const isBeside = files.some(({ path }) => nameOf(path) === state);
  const folder = isBeside ? undefined : changesPath(input);
  return absolute(`${folder ?? sessionFolder(input)}/${state}`);
}

/** A saved state, and the memory that lies beside it under the same name. */
function stateFilesOf(stateFile: string | undefined, files: readonly DatastoreFile[]): readonly string[] {
  if (stateFile === undefined) return [];
  const stem = nameOf(stateFile).replace(/\.[^.]+$/, '');
  return files.map(({ path }) => nameOf(path)).filter((name) => name.startsWith(`${stem}.`));
}

/** Descriptors and data of the disks of changes, as far as they lie with the gateway. */
async function layersOf(
  vsphere: Vsphere,
  input: CrossingDisksInput,
  { signal }: Step,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const { top, parent } of input.disks) {
    if (parent === undefined || !top.startsWith(`${sessionFolder(input)}/`)) continue;
    const { extents } = parseDescriptor(await vsphere.downloadFile(top, { signal }), top);
    names.push(nameOf(top), ...extents.flatMap(({ fileName }) => (fileName === undefined ? [] : [fileName])));
  }
  return names;
}

async function copyNvram(
  vsphere: Vsphere,
  files: readonly DatastoreFile[],
  input: CrossingDisksInput,
  { signal }: Step,
): Promise<void> {
  for (const { path: source } of files.filter(({ path }) => NVRAM.test(path))) {
    const destination = `${productionFolder(input)}/${nameOf(source)}`;
    await vsphere.copyDatastoreFile({ source, destination, overwrite: true }, { signal });
  }
}

// Whose is this VM? A session may touch a VM only where its mark and every file are the session's: somebody may
// have migrated, cloned or re-registered it by hand, and then it is theirs.
import path from 'node:path';
import type { TargetStepInput, VmSighting } from '../contract/index.ts';
import { SESSION_KEY } from '../vm-folder/index.ts';
import type { Vm, Vsphere } from '../vsphere/index.ts';
import { hostQuestion } from './host-question.ts';
import type { Step } from './step.ts';

type Place = Pick<TargetStepInput, 'sessionId' | 'placement' | 'exported'>;

/** The VM's own directory, as vSphere writes it. */
const directoryOf = ({ placement, exported }: Place): string =>
  `[${placement.datastore}] ${path.posix.dirname(exported.vmxPath)}/`;
export const vmxOf = ({ placement, exported }: Place): string =>
  `[${placement.datastore}] ${exported.vmxPath}`;
export const hasMark = (vm: Pick<Vm, 'extraConfig'>, sessionId: string): boolean =>
  vm.extraConfig[SESSION_KEY] === sessionId;

/** The folder of the session's changes, without a slash at its end; undefined where they go to the gateway. */
export function changesPath({ placement: { changes } }: Pick<Place, 'placement'>): string | undefined {
  return changes === undefined ? undefined : `[${changes.datastore}] ${changes.folder}`;
}

const isInChanges = (file: string, place: Pick<Place, 'placement'>): boolean => {
  const folder = changesPath(place);
  return folder !== undefined && file.startsWith(`${folder}/`);
};

/** In a folder of the session's, or of a restored VM's, on another datastore than its own directory. */
const isApart = (file: string, place: Pick<Place, 'placement'>): boolean =>
  isInChanges(file, place) ||
  (place.placement.apart ?? []).some(({ datastore, folder }) => file.startsWith(`[${datastore}] ${folder}/`));

/** The disk goes on in the folder of the session's changes, on the backup as the gateway shows it. */
export function isRedirected({ fileName, parents }: Vm['disks'][number], place: Place): boolean {
  const [base, ...more] = parents;
  return isInChanges(fileName, place) && base?.startsWith(directoryOf(place)) === true && more.length === 0;
}

/** In the session's directory, or in a folder of its on another datastore: that of its changes. */
export const isOfSession = (file: string, place: Place): boolean =>
  file.startsWith(directoryOf(place)) || isApart(file, place);

/** Files of the VM that lie elsewhere than where the session has put them. */
function foreignFiles(vm: Pick<Vm, 'vmPathName' | 'disks'>, place: Place): readonly string[] {
  const isRight = (file: string): boolean =>
    file === vm.vmPathName ? file.startsWith(directoryOf(place)) : isOfSession(file, place);
  return filesOf(vm).filter((file) => !isRight(file));
}

/** On the gateway's datastore, or in a folder of the session's on another one. */
const isHere = (file: string, place: Place): boolean =>
  file.startsWith(`[${place.placement.datastore}] `) || isApart(file, place);

export function standingOf(vm: Vm, place: Place): Pick<VmSighting, 'standing' | 'detail'> {
  const foreign = foreignFiles(vm, place);
  if (!filesOf(vm).some((file) => isHere(file, place))) return { standing: 'moved', detail: vm.vmPathName };
  if (isCrossing(vm, place)) {
    return { standing: 'crossing', detail: `${vm.vmPathName}, on the session's changes` };
  }
  if (foreign.length > 0) return { standing: 'partlyMoved', detail: `elsewhere: ${foreign.join(', ')}` };
  if (!hasMark(vm, place.sessionId)) {
    return { standing: 'partlyMoved', detail: `its mark ${SESSION_KEY} is not ${place.sessionId}` };
  }
  return { standing: 'ours', detail: vm.vmPathName };
}

/**
 * Registered in production, with every disk among the session's changes, on a copy that lies in production; or merged
 * into that copy already.
 */
function isCrossing(vm: Vm, place: Place): boolean {
  const standsOnCopy = ({ fileName, parents }: Vm['disks'][number]): boolean =>
    isOfSession(fileName, place) && parents.length > 0 && !parents.some((file) => isHere(file, place));
  const isMerged = ({ fileName, parents }: Vm['disks'][number]): boolean =>
    parents.length === 0 && !isHere(fileName, place);
  const isOnItsWay = (each: Vm['disks'][number]): boolean => standsOnCopy(each) || isMerged(each);
  return hasMark(vm, place.sessionId) && !isHere(vm.vmPathName, place) && vm.disks.every(isOnItsWay);
}

/** The session's VM on its half way to production, under whatever moref. */
export async function findCrossing(
  vsphere: Vsphere,
  place: Place,
  { signal }: Pick<Step, 'signal'>,
): Promise<Vm | undefined> {
  for (const { moref } of await vsphere.findVmsByExtraConfig(SESSION_KEY, place.sessionId, { signal })) {
    const vm = await vsphere.readVm(moref, { signal });
    if (vm !== undefined && standingOf(vm, place).standing === 'crossing') return vm;
  }
  return undefined;
}

const sightingOf = (vm: Vm, place: Place): VmSighting => ({
  ...standingOf(vm, place),
  powerState: vm.powerState,
  question: hostQuestion(vm),
});

/** Looks at the VM by its moref; a VM that was registered anew has another one, and is somebody else's now. */
export async function sightVm(
  vsphere: Vsphere,
  place: Place,
  moref: string,
  step: Pick<Step, 'signal'>,
): Promise<VmSighting> {
  const vm = await vsphere.readVm(moref, { signal: step.signal });
  if (vm !== undefined) return sightingOf(vm, place);
  const other = await vsphere.findVmByPath(vmxOf(place), { signal: step.signal });
  if (other === undefined) {
    const crossing = await findCrossing(vsphere, place, step);
    if (crossing !== undefined) return sightingOf(crossing, place);
    return { standing: 'gone', powerState: undefined, detail: `${moref} is not known to the target` };
  }
  const detail = `somebody registered it anew, as ${other.name} (${other.moref})`;
  return { standing: 'partlyMoved', powerState: other.powerState, detail };
}

/** Name of a file's datastore; empty for what is no such path. */
export const datastoreOf = (file: string): string => /^\[(.+?)\] /.exec(file)?.[1] ?? '';

/** The VM's .vmx, its disks and what they stand on. */
export function filesOf({ vmPathName, disks }: Pick<Vm, 'vmPathName' | 'disks'>): readonly string[] {
  return [vmPathName, ...disks.flatMap(({ fileName, parents }) => [fileName, ...parents])];
}

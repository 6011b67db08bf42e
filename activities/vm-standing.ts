// Whose is this VM? A session may touch a VM only where its mark and every file are the session's: somebody may
// have migrated, cloned or re-registered it by hand, and then it is theirs.
import path from 'node:path';
import type { TargetStepInput, VmSighting, VmStanding } from '../contract/index.ts';
import { SESSION_KEY } from '../vm-folder/index.ts';
import type { Datastore, Vm, Vsphere } from '../vsphere/index.ts';
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

type Standing = Pick<VmSighting, 'standing' | 'detail' | 'wayOut'>;

/** By the names of its files alone, which is enough to say that it is the session's. */
export function standingOf(vm: Vm, place: Place): Standing {
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
 * As `standingOf`, and sure of it: that a VM shows no file here proves nothing. Anybody can rename a datastore, and a host
 * that has lost one calls it `[]`. So a VM has moved only where each of its files is seen on a datastore of production.
 */
export async function standingAt(
  vsphere: Pick<Vsphere, 'inventory'>,
  vm: Vm,
  place: Place,
  { signal }: Pick<Step, 'signal'>,
): Promise<Standing> {
  const seen = standingOf(vm, place);
  if (seen.standing !== 'moved' && seen.standing !== 'crossing') return seen;
  const { datastores } = await vsphere.inventory({ signal });
  const there = datastores.filter(({ hosts }) => vm.host === undefined || hosts.includes(vm.host));
  for (const file of filesOf(vm).filter((each) => !isHere(each, place))) {
    const datastore = there.find(({ name }) => file.startsWith(`[${name}] `));
    if (datastore === undefined) return unknownPlace(file);
    if (isServedBy(datastore, place)) return renamedPlace(datastore, place);
  }
  return seen;
}

const isServedBy = ({ nas }: Datastore, { exported }: Place): boolean =>
  nas?.remoteHost === exported.remoteHost && nas.remotePath === exported.remotePath;

function renamedPlace({ name }: Datastore, { placement: { datastore } }: Place): Standing {
  const detail = `datastore ${datastore} is called ${name} now`;
  return { standing: 'partlyMoved', detail, wayOut: `Rename datastore ${name} to ${datastore} again` };
}

function unknownPlace(file: string): Standing {
  const detail = `${file} is on no datastore that its host shows`;
  const wayOut = 'See that the datastore is mounted and accessible, and that the account may see it';
  return { standing: 'partlyMoved', detail, wayOut };
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
  step: Pick<Step, 'signal'>,
): Promise<Vm | undefined> {
  return (await findMarked(vsphere, place, step, 'crossing'))?.vm;
}

/** A VM with the session's mark that stands so, under whatever moref. */
async function findMarked(
  vsphere: Vsphere,
  place: Place,
  step: Pick<Step, 'signal'>,
  ...standings: readonly VmStanding[]
): Promise<{ readonly vm: Vm; readonly seen: Standing } | undefined> {
  const { signal } = step;
  for (const { moref } of await vsphere.findVmsByExtraConfig(SESSION_KEY, place.sessionId, { signal })) {
    const vm = await vsphere.readVm(moref, { signal });
    const seen = vm === undefined ? undefined : await standingAt(vsphere, vm, place, step);
    if (vm !== undefined && seen !== undefined && standings.includes(seen.standing)) return { vm, seen };
  }
  return undefined;
}

/** Looks at the VM by its moref; a VM that was registered anew has another one, and is somebody else's now. */
export async function sightVm(
  vsphere: Vsphere,
  place: Place,
  moref: string,
  step: Pick<Step, 'signal'>,
): Promise<VmSighting> {
  const { signal } = step;
  const sighting = (vm: Vm, seen: Standing): VmSighting => ({
    ...{ ...seen, powerState: vm.powerState, question: hostQuestion(vm) },
  });
  const vm = await vsphere.readVm(moref, { signal });
  if (vm !== undefined) return sighting(vm, await standingAt(vsphere, vm, place, step));
  const other = await vsphere.findVmByPath(vmxOf(place), { signal });
  if (other !== undefined) return registeredAnew(other, {});
  const marked = await findMarked(vsphere, place, step, 'crossing', 'partlyMoved');
  if (marked === undefined) {
    return { standing: 'gone', powerState: undefined, detail: `${moref} is not known to the target` };
  }
  const { seen } = marked;
  return seen.standing === 'crossing' ? sighting(marked.vm, seen) : registeredAnew(marked.vm, seen);
}

function registeredAnew(
  { name, moref, powerState }: Pick<Vm, 'name' | 'moref' | 'powerState'>,
  { detail, wayOut = `Take ${name} (${moref}) to production storage, or unregister it` }: Partial<Standing>,
): VmSighting {
  const how = detail === undefined ? '' : `, ${detail}`;
  return {
    ...{ standing: 'partlyMoved', powerState, wayOut },
    detail: `somebody registered it anew, as ${name} (${moref})${how}`,
  };
}

/** Name of a file's datastore; empty for what is no such path. */
export const datastoreOf = (file: string): string => /^\[(.+?)\] /.exec(file)?.[1] ?? '';

/** The VM's .vmx, its disks and what they stand on. */
export function filesOf({ vmPathName, disks }: Pick<Vm, 'vmPathName' | 'disks'>): readonly string[] {
  return [vmPathName, ...disks.flatMap(({ fileName, parents }) => [fileName, ...parents])];
}

// The .vmx of a session's VM that goes on from a folder of production, while what it stands on may still lie where it
// was: the one of the session with only its disks and its saved state led elsewhere. Where the host keeps its own
// files, it decides anew.
import type { Vmx } from './vmx.ts';
import { baseName, disksOf, uuidsOf } from './vmx-devices.ts';

/** Where things are while the VM runs from the other place: the host writes its own. */
const HOST_KEYS = [
  'workingDir',
  'snapshot.redoNotWithParent',
  'sched.swap.derivedName',
  'sched.swap.dir',
  'extendedConfigFile',
  'migrate.hostlog',
  'migrate.hostLogState',
  'migrate.migrationId',
  'vmxstats.filename',
];
export const STATE_KEY = 'checkpoint.vmState';
/**
 * Tells the host whether the VM is where it was. Without it a VM keeps its `uuid.bios` (ESX Server 3 docs, "UUID"). A
 * resume compares nothing and leaves it as it is: the boot after it does, and asks (Workstation docs, "UUID").
 */
const LOCATION_KEY = 'uuid.location';
const ACTION_KEY = 'uuid.action';

export interface ProductionPlaces {
  /** What a disk's value becomes, by the plain name of its file; undefined for one that is unknown, which is left as it is. */
  readonly diskFile: (name: string) => string | undefined;
  /** The saved state of a suspended VM; undefined takes the key out. */
  readonly stateFile: string | undefined;
  /** What the backed-up VM was known by, as the API writes it; undefined where that is not known. */
  readonly originUuid: string | undefined;
}

/**
 * A VM that has its UUID for good loses the place that it was in: so no host asks whether it was moved or copied, and
 * none makes another UUID, whenever it boots.
 */
export function productionVmx(vmx: Vmx, { diskFile, stateFile, originUuid }: ProductionPlaces): string {
  const disks = disksOf(vmx).flatMap(({ device, fileName }): [string, string][] => {
    const file = diskFile(baseName(fileName));
    return file === undefined ? [] : [[`${device}.fileName`, file]];
  });
  const changes = {
    ...Object.fromEntries(HOST_KEYS.map((key) => [key, undefined])),
    ...Object.fromEntries(disks),
    [STATE_KEY]: stateFile,
    ...(hasItsUuid(vmx, stateFile !== undefined, originUuid)
      ? { [LOCATION_KEY]: undefined, [ACTION_KEY]: 'keep' }
      : {}),
  };
  return vmx.with(changes).serialize();
}

/** One that keeps its UUID, and one that was to get a new one and has it: it is suspended, or shows another already. */
function hasItsUuid(vmx: Vmx, isSuspended: boolean, originUuid: string | undefined): boolean {
  const { uuid } = uuidsOf(vmx);
  if (uuid === undefined) return false;
  const isNew = originUuid !== undefined && uuid !== originUuid;
  return isSuspended || isNew || vmx.get(ACTION_KEY) === 'keep';
}

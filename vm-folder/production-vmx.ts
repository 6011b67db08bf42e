// The .vmx of a session's VM that goes on from a folder of production, while what it stands on may still lie where it
// was: the one of the session with only its disks and its saved state led elsewhere. Where the host keeps its own
// files, it decides anew.
import type { Vmx } from './vmx.ts';
import { baseName, disksOf } from './vmx-devices.ts';

/** Where things are while the VM runs from the other place: the host writes its own. */
const HOST_KEYS = [
  'workingDir',
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

/**
 * @param diskFile says what a disk's value becomes, by the plain name of its file; undefined for one that is unknown,
 * which is left as it is.
 * @param stateFile is the saved state of a suspended VM; undefined takes the key out. A VM that keeps its UUID, as one
 * that is suspended does in any case, loses the place that it was in: so no host asks whether it was moved or copied,
 * whenever it boots.
 */
export function productionVmx(
  vmx: Vmx,
  diskFile: (name: string) => string | undefined,
  stateFile: string | undefined,
): string {
  const disks = disksOf(vmx).flatMap(({ device, fileName }): [string, string][] => {
    const file = diskFile(baseName(fileName));
    return file === undefined ? [] : [[`${device}.fileName`, file]];
  });
  const changes = {
    ...Object.fromEntries(HOST_KEYS.map((key) => [key, undefined])),
    ...Object.fromEntries(disks),
    [STATE_KEY]: stateFile,
    ...(keepsUuid(vmx, stateFile !== undefined) ? { [LOCATION_KEY]: undefined } : {}),
  };
  return vmx.with(changes).serialize();
}

/** A suspended VM has run here, with the UUID that it was to have. */
const keepsUuid = (vmx: Vmx, isSuspended: boolean): boolean =>
  vmx.get('uuid.bios') !== undefined && (isSuspended || vmx.get('uuid.action') === 'keep');

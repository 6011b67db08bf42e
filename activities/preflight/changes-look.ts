// A production datastore for a session's changes: it is on the host that runs the VM, takes plain disks of changes, and
// has the room. Pure.
import { changesFolder, type ProductionFolder, type StartInput } from '../../contract/index.ts';
import type { Host, Inventory } from '../../vsphere/index.ts';
import type { BackupLook } from './backup-look.ts';
import type { Findings } from './findings.ts';
import {
  chooseDatastore,
  type GatewayDatastore,
  isObjectStore,
  lookAtDatastore,
} from './production-datastore.ts';

/** Undefined where changes go to the gateway, or there is an error among the findings. */
export function lookAtChanges(
  inventory: Inventory,
  host: Host,
  { changes, reserveFactor, sessionId, placement }: StartInput,
  backup: BackupLook | undefined,
  gateway: GatewayDatastore,
  found: Findings,
): ProductionFolder | undefined {
  if (changes === undefined) return undefined;
  if (placement.network === 'isolated') {
    found.error('InvalidInput', "A drill's changes go to the gateway, where they are discarded");
  }
  const independent = found.all.filter(({ code }) => code === 'IndependentDisk');
  for (const { message } of independent) found.error('NotSupported', `${message} Leave --changes out.`);
  const datastore = chooseDatastore(inventory, changes.datastore, host, found);
  if (datastore === undefined) return undefined;
  if (isObjectStore(datastore)) {
    found.error(
      'NotSupported',
      `Datastore ${datastore.name} is of type ${datastore.type}, where disks of changes are of another kind: they can ` +
        'not stand on a disk at the gateway. Name one of VMFS or NFS, or leave --changes out',
    );
    return undefined;
  }
  lookAtDatastore(datastore, backup?.provisionedBytes ?? 0, gateway, found, reserveFactor);
  return changesFolder(datastore.name, sessionId);
}

// A datastore of production, as a VM's way there begins with it: the one that was named, on the host that is to run
// the VM, and what stands against it. Pure.
import { formatBytes } from '../../contract/index.ts';
import type { Datastore, Host, Inventory } from '../../vsphere/index.ts';
import type { Findings } from './findings.ts';

/** Their disks are objects, and so are their disks of changes: of another kind than those of files (vsanSparse). */
const OBJECT_STORES: ReadonlySet<string> = new Set(['vsan', 'vvol']);

export const isObjectStore = ({ type }: Pick<Datastore, 'type'>): boolean =>
  OBJECT_STORES.has(type.toLowerCase());

/** Of the provisioned size: room for the VM's swap file, logs and what grows while it is copied. */
const SPACE_FACTOR = 1.1;

/** Name of the gateway's datastore, and the address behind it. */
export interface GatewayDatastore {
  readonly datastore: string;
  readonly remoteHost: string | undefined;
}

/** By name or moref. Undefined when there is an error among the findings. */
export function chooseDatastore(
  { datastores }: Inventory,
  wanted: string,
  host: Host,
  found: Findings,
): Datastore | undefined {
  const named = datastores.filter(({ name, moref }) => name === wanted || moref === wanted);
  const here = named.find(({ hosts }) => hosts.includes(host.moref));
  if (here !== undefined) return here;
  const usable = datastores.filter(({ hosts }) => hosts.includes(host.moref)).map(({ name }) => name);
  const known = usable.length === 0 ? 'none' : usable.join(', ');
  found.error(
    'NotFound',
    named.length === 0
      ? `The target has no datastore ${wanted}; host ${host.name} has ${known}`
      : `Host ${host.name} does not have datastore ${wanted} mounted; it has ${known}`,
  );
  return undefined;
}

/**
 * @param bytes are the provisioned size of what is to come there.
 * @param factor says how much room that needs.
 * Answers false where no VM can be there at all; what can be settled is a finding beside others.
 */
export function lookAtDatastore(
  { name, accessible, inMaintenanceMode, freeBytes, nas }: Datastore,
  bytes: number,
  gateway: GatewayDatastore,
  found: Findings,
  factor = SPACE_FACTOR,
): boolean {
  const isServed = gateway.remoteHost !== undefined && nas?.remoteHost === gateway.remoteHost;
  if (name === gateway.datastore || isServed) {
    found.error('InvalidInput', `Datastore ${name} is the gateway's own: name one of production`);
    return false;
  }
  if (!accessible || inMaintenanceMode) {
    const why = accessible ? 'in maintenance mode' : 'not accessible';
    found.error('DatastoreUnusable', `Datastore ${name} is ${why}. Settle that, or name another one`);
  }
  const neededBytes = Math.ceil(bytes * factor);
  if (freeBytes < neededBytes) {
    found.error(
      'StorageFull',
      `Datastore ${name} has ${formatBytes(freeBytes)} free, and ${formatBytes(neededBytes)} are needed (${factor} × the ` +
        'provisioned size). Make room, or name another one',
    );
  }
  return accessible;
}

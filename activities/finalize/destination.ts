// Can a VM go there? Everything that stands against a migration to a production datastore, as far as the target's
// inventory tells it; pure. `start` asks it before anything is touched, `finalize` again when it comes to it.
import type { FinalizePlan, FinalizeRequest } from '../../contract/index.ts';
import type { Datastore, Host, Inventory } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import { choosePlace } from '../preflight/placement.ts';

/** Of the provisioned size: room for the VM's swap file, logs and what grows while it is copied. */
const SPACE_FACTOR = 1.1;

export interface Migrant {
  /** Where it runs now, or will. */
  readonly host: Host;
  /** Of its disks. */
  readonly provisionedBytes: number;
  readonly mode: FinalizePlan['mode'];
  /** Name of the gateway's datastore, and the address behind it. */
  readonly gateway: { readonly datastore: string; readonly remoteHost: string | undefined };
}

export type Destination = Pick<FinalizePlan, 'datastore' | 'host' | 'folder' | 'resourcePool'>;

/** Undefined when there is an error among the findings. */
export function lookAtDestination(
  inventory: Inventory,
  isVirtualCenter: boolean,
  request: FinalizeRequest,
  migrant: Migrant,
  found: Findings,
): Destination | undefined {
  if (!isVirtualCenter) {
    found.error(
      'NotSupported',
      'The target is a host alone: only a vCenter migrates a VM. Start the session through the vCenter, or shut the ' +
        'VM down and copy it',
    );
    return undefined;
  }
  const { host: from } = migrant;
  const wanted = {
    host: request.host ?? from.moref,
    folder: request.folder,
    resourcePool: request.resourcePool,
  };
  const place = choosePlace(inventory, wanted, migrant.gateway.datastore, found);
  const host = place?.host ?? from;
  lookAtCapability(from, host, migrant, found);
  const datastore = chooseDatastore(inventory, request, host, found);
  if (datastore !== undefined) lookAtDatastore(datastore, migrant, found);
  if (place === undefined || datastore === undefined) return undefined;
  const leavesDatacenter = host.datacenter.moref !== from.datacenter.moref;
  const leavesCompute = host.computeResource.moref !== from.computeResource.moref;
  return {
    datastore: { moref: datastore.moref, name: datastore.name },
    host: host.moref === from.moref ? undefined : { moref: host.moref, name: host.name },
    folder: request.folder !== undefined || leavesDatacenter ? place.folder : undefined,
    resourcePool: request.resourcePool !== undefined || leavesCompute ? place.resourcePool : undefined,
  };
}

function lookAtCapability(from: Host, to: Host, { mode }: Migrant, found: Findings): void {
  if (mode !== 'live') return;
  const unable = [...new Set([from, to])].filter(({ capability }) => !capability.storageVMotionSupported);
  for (const { name } of unable) {
    found.error(
      'NotSupported',
      `Host ${name} can't migrate a running VM's disks (no Storage vMotion). Name another host with --host, or shut ` +
        'the VM down and finalize it then',
    );
  }
  if (from.moref === to.moref) return;
  const fixed = [from, to].filter(({ capability }) => !capability.vmotionSupported);
  for (const { name } of fixed) {
    found.error(
      'NotSupported',
      `Host ${name} can't migrate a running VM (no vMotion). Leave the VM on its host`,
    );
  }
}

function chooseDatastore(
  { datastores }: Inventory,
  { datastore: wanted }: FinalizeRequest,
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

function lookAtDatastore(
  datastore: Datastore,
  { gateway, provisionedBytes }: Migrant,
  found: Findings,
): void {
  const { name, accessible, inMaintenanceMode, freeBytes, nas } = datastore;
  const isServed = gateway.remoteHost !== undefined && nas?.remoteHost === gateway.remoteHost;
  if (name === gateway.datastore || isServed) {
    found.error('DatastoreConflict', `Datastore ${name} is the gateway's own: name one of production`);
    return;
  }
  if (!accessible || inMaintenanceMode) {
    const why = accessible ? 'in maintenance mode' : 'not accessible';
    found.error('DatastoreUnusable', `Datastore ${name} is ${why}. Settle that, or name another one`);
  }
  const neededBytes = Math.ceil(provisionedBytes * SPACE_FACTOR);
  if (freeBytes >= neededBytes) return;
  found.error(
    'StorageFull',
    `Datastore ${name} has ${gib(freeBytes)} free, and ${gib(neededBytes)} are needed (${SPACE_FACTOR} × the ` +
      'provisioned size). Make room, or name another one',
  );
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

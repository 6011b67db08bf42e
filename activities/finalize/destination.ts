// Can a VM go there? Everything that stands against a migration to a production datastore, as far as the target's
// inventory tells it; pure. `start` asks it before anything is touched, `finalize` again when it comes to it.
import type { FinalizePlan, FinalizeRequest } from '../../contract/index.ts';
import type { Host, Inventory } from '../../vsphere/index.ts';
import { chooseForDisks, disksApart, lookAtSpace, type MovedDisks } from '../preflight/disk-datastores.ts';
import type { Findings } from '../preflight/findings.ts';
import { choosePlace, isIn } from '../preflight/placement.ts';
import { chooseDatastore } from '../preflight/production-datastore.ts';

export interface Migrant extends MovedDisks {
  /** Where it runs now, or will. */
  readonly host: Host;
  readonly mode: FinalizePlan['mode'];
  /** Moref of the folder that it is in; undefined where the account can't see it. */
  readonly folder: string | undefined;
}

export interface Destination
  extends Pick<FinalizePlan, 'datastore' | 'host' | 'folder' | 'resourcePool' | 'disks'> {
  /** Where it will run, and stand in the tree, whether that is new or not. */
  readonly place: { readonly host: Host; readonly folder: string };
}

/** Undefined when there is an error among the findings. */
export function lookAtDestination(
  inventory: Inventory,
  isVirtualCenter: boolean,
  request: FinalizeRequest,
  migrant: Migrant,
  found: Findings,
): Destination | undefined {
  if (!isVirtualCenter && migrant.mode === 'live') {
    found.error(
      'NotSupported',
      'The target is a host alone: only a vCenter migrates a VM that runs. Leave --vmotion out, or start the session ' +
        'through the vCenter',
    );
    return undefined;
  }
  if (request.datastore === undefined) {
    found.error('InvalidInput', 'Say where the VM goes: --datastore, or --location original');
    return undefined;
  }
  const { host: from } = migrant;
  const wanted = {
    host: hostAsked(inventory, request, from, found),
    folder: request.folder,
    resourcePool: request.resourcePool,
  };
  const place =
    wanted.host === undefined ? undefined : choosePlace(inventory, wanted, request.datastore, found);
  const host = place?.host ?? from;
  lookAtCapability(from, host, migrant, found);
  const datastore = chooseDatastore(inventory, request.datastore, host, found);
  const disks = chooseForDisks(inventory, request.disks ?? [], migrant, host, found);
  const apart = datastore === undefined ? [] : disksApart(disks ?? [], datastore);
  if (datastore !== undefined) lookAtSpace(datastore, apart, migrant, inventory, found);
  if (place === undefined || datastore === undefined || disks === undefined) return undefined;
  const leavesDatacenter = host.datacenter.moref !== from.datacenter.moref;
  const leavesCompute = host.computeResource.moref !== from.computeResource.moref;
  return {
    datastore: { moref: datastore.moref, name: datastore.name },
    disks: apart.length === 0 ? undefined : apart,
    place: { host, folder: request.folder === undefined ? (migrant.folder ?? place.folder) : place.folder },
    host: host.moref === from.moref ? undefined : { moref: host.moref, name: host.name },
    folder: request.folder !== undefined || leavesDatacenter ? place.folder : undefined,
    resourcePool: request.resourcePool !== undefined || leavesCompute ? place.resourcePool : undefined,
  };
}

/** The present host stays where its own cluster is named. Undefined when there is no such host. */
function hostAsked(
  { hosts }: Inventory,
  { host: asked }: FinalizeRequest,
  from: Host,
  found: Findings,
): string | undefined {
  if (asked === undefined || isIn(from, asked)) return from.moref;
  const isKnown = hosts.some((host) => host.name === asked || host.moref === asked || isIn(host, asked));
  if (isKnown) return asked;
  found.error(
    'NotFound',
    `The target has no host ${asked}, and no cluster of that name; it has ${hosts.map(({ name }) => name).join(', ')}. ` +
      "A VM is migrated within the session's own target: to bring it to another vCenter or host, start it there",
  );
  return undefined;
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

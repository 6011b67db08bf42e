// What a target has: hosts with where they stand in the tree, datastores, folders and resource pools. Read in
// one sweep per type and joined here, so that the number of calls does not grow with the inventory.
import { VsphereError } from './errors.ts';
import { decodeName } from './names.ts';
import { type Found, listAll } from './property-collector.ts';
import type { HostVirtualNic, ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { CallOptions, Datastore, Folder, Host, Inventory, ResourcePool } from './types.ts';

/** A tree is not deeper than this; a longer walk has met a loop. */
const MAX_DEPTH = 64;

const HOST_PATHS = [
  'name',
  'parent',
  'runtime.connectionState',
  'runtime.inMaintenanceMode',
  'summary.config.product.version',
  'capability.vmotionSupported',
  'capability.storageVMotionSupported',
  'datastore',
  'network',
  'config.network.vnic',
  'config.network.consoleVnic',
] as const;
export const DATASTORE_PATHS = [
  'name',
  'host',
  'info',
  'summary.type',
  'summary.url',
  'summary.capacity',
  'summary.freeSpace',
  'summary.accessible',
  'summary.maintenanceMode',
] as const;

type FoundHost = Found<'HostSystem', (typeof HOST_PATHS)[number]>;
type FoundDatastore = Found<'Datastore', (typeof DATASTORE_PATHS)[number]>;

/** An object's place in the tree. */
interface Node {
  readonly ref: ManagedObjectReference;
  readonly name: string;
  readonly parent: ManagedObjectReference | undefined;
}
type Tree = ReadonlyMap<string, Node>;

export async function readInventory(session: Session, options: CallOptions = {}): Promise<Inventory> {
  const hosts = await listAll(session, 'HostSystem', HOST_PATHS, options);
  const computeResources = await listAll(
    session,
    'ComputeResource',
    ['name', 'parent', 'resourcePool'],
    options,
  );
  const folders = await listAll(session, 'Folder', ['name', 'parent', 'childType'], options);
  const datacenters = await listAll(session, 'Datacenter', ['name', 'parent', 'vmFolder'], options);
  const pools = await listAll(session, 'ResourcePool', ['name', 'parent', 'owner'], options);
  const networks = await listAll(session, 'Network', ['name'], options);
  const datastores = await listAll(session, 'Datastore', DATASTORE_PATHS, options);

  const tree = treeOf([...computeResources, ...folders, ...datacenters, ...pools]);
  const networkNames = new Map(networks.map(({ ref, read }) => [ref.value, decodeName(read.name ?? '')]));
  const rootPools = new Map(computeResources.map(({ ref, read }) => [ref.value, read.resourcePool?.value]));
  const vmFolders = new Map(datacenters.map(({ ref, read }) => [ref.value, read.vmFolder?.value]));
  return {
    hosts: hosts.flatMap((host) => hostOf(host, { tree, networkNames, rootPools, vmFolders }) ?? []),
    datastores: datastores.map(datastoreOf),
    folders: folders
      .filter(({ read }) => read.childType?.includes('VirtualMachine') === true)
      .flatMap(({ ref }) => folderOf(ref, tree) ?? []),
    resourcePools: pools.map(({ ref, read }) => poolOf(ref, read.owner?.value ?? '', tree)),
  };
}

/** The datacenter above an object of the inventory. */
function datacenterAbove(tree: Tree, from: ManagedObjectReference): Node | undefined {
  return climb(tree, from).find((node) => node.ref.type === 'Datacenter');
}

interface Surroundings {
  readonly tree: Tree;
  readonly networkNames: ReadonlyMap<string, string>;
  readonly rootPools: ReadonlyMap<string, string | undefined>;
  readonly vmFolders: ReadonlyMap<string, string | undefined>;
}

/** Undefined for a host whose surroundings the account can't see: nothing can be put on it. */
function hostOf({ ref, read }: FoundHost, around: Surroundings): Host | undefined {
  const parent = read.parent;
  const compute = parent === undefined ? undefined : around.tree.get(parent.value);
  const datacenter = parent === undefined ? undefined : datacenterAbove(around.tree, parent);
  const resourcePool = compute === undefined ? undefined : around.rootPools.get(compute.ref.value);
  const vmFolder = datacenter === undefined ? undefined : around.vmFolders.get(datacenter.ref.value);
  if (compute === undefined || datacenter === undefined) return undefined;
  if (resourcePool === undefined || vmFolder === undefined) return undefined;
  return {
    moref: ref.value,
    name: decodeName(read.name ?? ref.value),
    connectionState: read['runtime.connectionState'] ?? 'disconnected',
    inMaintenanceMode: read['runtime.inMaintenanceMode'] ?? false,
    version: read['summary.config.product.version'] ?? '',
    capability: {
      vmotionSupported: read['capability.vmotionSupported'] ?? false,
      storageVMotionSupported: read['capability.storageVMotionSupported'] ?? false,
    },
    computeResource: {
      moref: compute.ref.value,
      name: compute.name,
      isCluster: compute.ref.type === 'ClusterComputeResource',
      resourcePool,
    },
    datacenter: { moref: datacenter.ref.value, name: datacenter.name, vmFolder },
    datastores: (read.datastore ?? []).map((each) => each.value),
    vmknicAddresses: addressesOf([
      ...(read['config.network.vnic'] ?? []),
      ...(read['config.network.consoleVnic'] ?? []),
    ]),
    networks: (read.network ?? []).flatMap(({ value }) => {
      const name = around.networkNames.get(value);
      return name === undefined ? [] : [{ moref: value, name }];
    }),
  };
}

function addressesOf(nics: readonly HostVirtualNic[]): string[] {
  const addresses = nics.map((nic) => nic.spec.ip?.ipAddress ?? '').filter((address) => address !== '');
  return [...new Set(addresses)];
}

export function datastoreOf({ ref, read }: FoundDatastore): Datastore {
  const info = read.info;
  const nas = info?.$type === 'NasDatastoreInfo' ? info.nas : undefined;
  return {
    moref: ref.value,
    name: decodeName(read.name ?? ref.value),
    type: read['summary.type'] ?? '',
    url: read['summary.url'] ?? '',
    capacityBytes: read['summary.capacity'] ?? 0,
    freeBytes: read['summary.freeSpace'] ?? 0,
    accessible: read['summary.accessible'] ?? false,
    inMaintenanceMode: (read['summary.maintenanceMode'] ?? 'normal') !== 'normal',
    nas: nas === undefined ? undefined : { remoteHost: nas.remoteHost, remotePath: nas.remotePath },
    hosts: (read.host ?? []).filter((each) => each.mountInfo.mounted !== false).map((each) => each.key.value),
  };
}

function folderOf(ref: ManagedObjectReference, tree: Tree): Folder | undefined {
  const above = climb(tree, ref);
  const depth = above.findIndex((node) => node.ref.type === 'Datacenter');
  const datacenter = above[depth];
  if (datacenter === undefined) return undefined;
  return {
    moref: ref.value,
    name: above[0]?.name ?? '',
    path: pathOf(above.slice(0, Math.max(0, depth - 1))),
    datacenter: datacenter.ref.value,
  };
}

function poolOf(ref: ManagedObjectReference, computeResource: string, tree: Tree): ResourcePool {
  const pools = climb(tree, ref).filter((node) => node.ref.type === 'ResourcePool');
  return { moref: ref.value, name: pools[0]?.name ?? '', path: pathOf(pools.slice(0, -1)), computeResource };
}

function pathOf(nodes: readonly Node[]): string {
  return nodes
    .map((node) => node.name)
    .reverse()
    .join('/');
}

interface Placed {
  readonly ref: ManagedObjectReference;
  readonly read: { readonly name?: string; readonly parent?: ManagedObjectReference };
}

function treeOf(objects: readonly Placed[]): Tree {
  return new Map(
    objects.map(({ ref, read }) => [
      ref.value,
      { ref, name: decodeName(read.name ?? ''), parent: read.parent },
    ]),
  );
}

/** An object and what is above it, the nearest first. */
function climb(tree: Tree, from: ManagedObjectReference): readonly Node[] {
  const nodes: Node[] = [];
  for (let node = tree.get(from.value); node !== undefined; ) {
    nodes.push(node);
    if (nodes.length > MAX_DEPTH) {
      throw new VsphereError(
        'Unexpected',
        `The inventory above ${from.type} ${from.value} is deeper than ${MAX_DEPTH}.`,
      );
    }
    node = node.parent === undefined ? undefined : tree.get(node.parent.value);
  }
  return nodes;
}

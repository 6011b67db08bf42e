// Chooses where the VM goes: host, folder, resource pool, as named or as a person would take them. Pure.
import type { StartInput } from '../../contract/index.ts';
import type { Host, Inventory } from '../../vsphere/index.ts';
import type { Findings } from './findings.ts';

type Wanted = Pick<StartInput['placement'], 'host' | 'folder' | 'resourcePool'>;

export interface ChosenPlace {
  readonly host: Host;
  readonly folder: string;
  readonly resourcePool: string;
}

/** Undefined when there is an error among the findings. */
export function choosePlace(
  inventory: Inventory,
  wanted: Wanted,
  datastore: string,
  found: Findings,
): ChosenPlace | undefined {
  const host = chooseHost(inventory, wanted.host, datastore, found);
  if (host === undefined) return undefined;
  const folder = chooseFolder(inventory, host, wanted.folder, found);
  const resourcePool = choosePool(inventory, host, wanted.resourcePool, found);
  if (folder === undefined || resourcePool === undefined) return undefined;
  return { host, folder, resourcePool };
}

/** As named, alone or by its cluster; else the one that has our datastore already; else the first by name. */
function chooseHost(
  { hosts, datastores }: Inventory,
  wanted: string | undefined,
  datastore: string,
  found: Findings,
): Host | undefined {
  const usable = hosts
    .filter((host) => unusable(host) === undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const mounted = datastores.find(({ name }) => name === datastore)?.hosts ?? [];
  const best = (among: readonly Host[]): Host | undefined =>
    among.find(({ moref }) => mounted.includes(moref)) ?? among[0];
  if (wanted === undefined) {
    const host = best(usable);
    if (host === undefined)
      found.error('NotFound', `The target has no host that can take a VM: ${listOf(hosts)}`);
    return host;
  }
  const named = hosts.filter(({ name, moref }) => name === wanted || moref === wanted);
  const [host] = named;
  if (named.length > 1) {
    found.error(
      'Ambiguous',
      severalWords(`hosts ${wanted}`, named, ({ datacenter }) => datacenter.name),
    );
    return undefined;
  }
  if (host === undefined) {
    const members = hosts.filter((each) => isIn(each, wanted));
    const clusters = new Map(
      members.map(({ computeResource, datacenter }) => [computeResource.moref, datacenter.name]),
    );
    if (clusters.size > 1) {
      const all = [...clusters].map(([moref, datacenter]) => ({ moref, datacenter }));
      found.error(
        'Ambiguous',
        severalWords(`clusters ${wanted}`, all, ({ datacenter }) => datacenter),
      );
      return undefined;
    }
    const member = best(usable.filter((each) => isIn(each, wanted)));
    if (member !== undefined) return member;
    if (members.length > 0) {
      found.error('HostUnusable', `Cluster ${wanted} has no host that can take a VM: ${listOf(members)}`);
    } else {
      found.error(
        'NotFound',
        `The target has no host ${wanted}; it has ${listOf(hosts)}${clustersOf(hosts)}`,
      );
    }
    return undefined;
  }
  const why = unusable(host);
  if (why === undefined) return host;
  const others = usable.map(({ name }) => name).join(', ');
  found.error('HostUnusable', `Host ${host.name} is ${why}. Usable: ${others === '' ? 'none' : others}`);
  return undefined;
}

function unusable(host: Host): string | undefined {
  if (host.connectionState !== 'connected') return host.connectionState;
  return host.inMaintenanceMode ? 'in maintenance mode' : undefined;
}

/** Whether the host belongs to the cluster of that name or moref. */
export const isIn = ({ computeResource: { isCluster, name, moref } }: Host, cluster: string): boolean =>
  isCluster && (name === cluster || moref === cluster);

function clustersOf(hosts: readonly Host[]): string {
  const clusters = hosts.map(({ computeResource }) => computeResource).filter(({ isCluster }) => isCluster);
  const names = [...new Set(clusters.map(({ name }) => name))];
  return names.length === 0 ? '' : `, and the clusters ${names.join(', ')}`;
}

/** Whoever meant one of several by its name alone is not given another one. */
export function severalWords<T extends { readonly moref: string }>(
  what: string,
  all: readonly T[],
  whereOf: (one: T) => string,
): string {
  const each = all.map((one) => `${one.moref} (${whereOf(one)})`).join(', ');
  return `The target has ${all.length} ${what}: ${each}. Say which one by its reference: ${all[0]?.moref ?? ''}, for one`;
}

const listOf = (hosts: readonly Host[]): string =>
  hosts.map((host) => `${host.name} (${unusable(host) ?? 'usable'})`).join(', ') ||
  'none that the account can see';

function chooseFolder(
  { folders }: Inventory,
  host: Host,
  wanted: string | undefined,
  found: Findings,
): string | undefined {
  if (wanted === undefined) return host.datacenter.vmFolder;
  const here = folders.filter(({ datacenter }) => datacenter === host.datacenter.moref);
  const named = here.filter(({ path, moref }) => path === wanted || moref === wanted);
  if (named.length > 1) {
    found.error(
      'Ambiguous',
      severalWords(`VM folders ${wanted}`, named, ({ name }) => `its own name is ${name}`),
    );
    return undefined;
  }
  const [folder] = named;
  if (folder !== undefined) return folder.moref;
  const known = here.map(({ path }) => (path === '' ? '(the root)' : path)).join(', ');
  found.error('NotFound', `Datacenter ${host.datacenter.name} has no VM folder ${wanted}; it has ${known}`);
  return undefined;
}

function choosePool(
  { resourcePools }: Inventory,
  host: Host,
  wanted: string | undefined,
  found: Findings,
): string | undefined {
  const { computeResource } = host;
  if (wanted === undefined) return computeResource.resourcePool;
  const here = resourcePools.filter((pool) => pool.computeResource === computeResource.moref);
  const named = here.filter(({ path, moref }) => path === wanted || moref === wanted);
  if (named.length > 1) {
    found.error(
      'Ambiguous',
      severalWords(`resource pools ${wanted}`, named, ({ name }) => `its own name is ${name}`),
    );
    return undefined;
  }
  const [pool] = named;
  if (pool !== undefined) return pool.moref;
  const known = here.map(({ path }) => (path === '' ? '(the root)' : path)).join(', ');
  found.error('NotFound', `${computeResource.name} has no resource pool ${wanted}; it has ${known}`);
  return undefined;
}

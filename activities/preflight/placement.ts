// Chooses where the VM goes: host, folder, resource pool, as named or as a person would take them. Pure.
import type { StartInput } from '../../contract/index.ts';
import type { Host, Inventory } from '../../vsphere/index.ts';
import type { Findings } from './findings.ts';
import { areSeveral } from './several-named.ts';

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
  if (areSeveral(named, `hosts ${wanted}`, ({ datacenter }) => datacenter.name, found)) return undefined;
  const [host] = named;
  if (host === undefined) {
    const members = hosts.filter((each) => isIn(each, wanted));
    if (areSeveral(clustersOf(members), `clusters ${wanted}`, ({ datacenter }) => datacenter, found)) {
      return undefined;
    }
    const member = best(usable.filter((each) => isIn(each, wanted)));
    if (member !== undefined) return member;
    if (members.length > 0) {
      found.error('HostUnusable', `Cluster ${wanted} has no host that can take a VM: ${listOf(members)}`);
    } else {
      found.error(
        'NotFound',
        `The target has no host ${wanted}; it has ${listOf(hosts)}${clusterNames(hosts)}`,
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

interface Cluster {
  readonly moref: string;
  readonly name: string;
  /** Its name. */
  readonly datacenter: string;
}

/** Each once. */
function clustersOf(hosts: readonly Host[]): readonly Cluster[] {
  const clusters = hosts
    .filter(({ computeResource }) => computeResource.isCluster)
    .map(({ computeResource: { moref, name }, datacenter }) => ({
      moref,
      name,
      datacenter: datacenter.name,
    }));
  return [...new Map(clusters.map((cluster) => [cluster.moref, cluster])).values()];
}

function clusterNames(hosts: readonly Host[]): string {
  const names = [...new Set(clustersOf(hosts).map(({ name }) => name))];
  return names.length === 0 ? '' : `, and the clusters ${names.join(', ')}`;
}

const listOf = (hosts: readonly Host[]): string =>
  hosts.map((host) => `${host.name} (${unusable(host) ?? 'usable'})`).join(', ') ||
  'none that the account can see';

function chooseFolder(
  { folders }: Inventory,
  { datacenter: { moref, name, vmFolder } }: Host,
  wanted: string | undefined,
  found: Findings,
): string | undefined {
  if (wanted === undefined) return vmFolder;
  const here = folders.filter(({ datacenter }) => datacenter === moref);
  const lacks = `Datacenter ${name} has no VM folder ${wanted}`;
  return chooseByPath(here, wanted, { several: `VM folders ${wanted}`, lacks }, found);
}

function choosePool(
  { resourcePools }: Inventory,
  { computeResource: { moref, name, resourcePool } }: Host,
  wanted: string | undefined,
  found: Findings,
): string | undefined {
  if (wanted === undefined) return resourcePool;
  const here = resourcePools.filter(({ computeResource }) => computeResource === moref);
  const lacks = `${name} has no resource pool ${wanted}`;
  return chooseByPath(here, wanted, { several: `resource pools ${wanted}`, lacks }, found);
}

/** By its path from the root or its moref. Answers the moref. */
function chooseByPath(
  here: readonly { readonly path: string; readonly name: string; readonly moref: string }[],
  wanted: string,
  words: { readonly several: string; readonly lacks: string },
  found: Findings,
): string | undefined {
  const named = here.filter(({ path, moref }) => path === wanted || moref === wanted);
  if (areSeveral(named, words.several, ({ name }) => `its own name is ${name}`, found)) return undefined;
  const [one] = named;
  if (one !== undefined) return one.moref;
  const known = here.map(({ path }) => (path === '' ? '(the root)' : path)).join(', ');
  found.error('NotFound', `${words.lacks}; it has ${known}`);
  return undefined;
}

// The target's part of preflight: login, licence, a place for the VM, its name free, the datastore's name free
// or ours, the original not running beside it, its networks there.
import { createHash } from 'node:crypto';
import {
  type CardPlan,
  datastoreName,
  MAX_VM_NAME_CHARACTERS,
  type ProductionFolder,
  type StartInput,
} from '../../contract/index.ts';
import type { Inventory, VmSummary, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { lookAtLocation } from '../finalize/location.ts';
import { firstPassable, lookAtRedirected, waysFor } from '../finalize/ways.ts';
import type { Step } from '../step.ts';
import { withTarget } from '../target.ts';
import type { BackupLook } from './backup-look.ts';
import { connectedCards, connectedMacs, planCards } from './cards.ts';
import { lookAtChanges } from './changes-look.ts';
import { type Findings, findings } from './findings.ts';
import type { GatewayLook } from './gateway-look.ts';
import { type ChosenPlace, choosePlace } from './placement.ts';

const CONTROL_CHARACTER = /\p{Cc}/u;

export interface TargetLook {
  readonly targetId: string;
  readonly place: ChosenPlace;
  readonly datastore: string;
  readonly cards: readonly CardPlan[] | undefined;
  readonly changes: ProductionFolder | undefined;
}

export interface Others {
  readonly backup: BackupLook | undefined;
  readonly gateway: GatewayLook | undefined;
}

export async function lookAtTarget(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'site'>,
  input: StartInput,
  step: Step,
  others: Others,
  found: Findings,
): Promise<TargetLook | undefined> {
  return found.look(() =>
    withTarget(deps, step, input.target, async (vsphere) => {
      const { signal } = step;
      await lookAtLicence(vsphere, step, found);
      const inventory = await vsphere.inventory({ signal });
      const datastore = datastoreName(deps.site);
      const place = choosePlace(inventory, input.placement, datastore, found);
      const scope = nameScope(vsphere, place);
      await lookAtVms(vsphere.listVms({ templates: true, signal }), input, others.backup, found, scope);
      if (place === undefined) return undefined;
      lookAtGatewayDatastore(inventory, place, datastore, others.gateway, found);
      lookAtNetworks(place, input, others.backup, found);
      const ours = { datastore, remoteHost: others.gateway?.advertise };
      const changes = lookAtChanges(inventory, place.host, input, others.backup, ours, found);
      const cards = planCards(place.host, input.placement, others.backup, found);
      await lookAtAutoMigrate(vsphere, inventory, input, { place, datastore, others }, step, found);
      return { targetId: targetIdOf(vsphere, input), place, datastore, cards, changes };
    }),
  );
}

export async function lookAtLicence(vsphere: Vsphere, { signal }: Step, found: Findings): Promise<void> {
  const { allowsWrites, edition } = await vsphere.licence({ signal });
  if (allowsWrites) return;
  found.error(
    'LicenceRestricted',
    `The host's licence (${edition ?? 'unknown'}) makes its API read-only: no VM can be registered. ` +
      'Assign a licence that includes the vSphere API, or name another target',
  );
}

export async function lookAtVms(
  vms: AsyncIterable<VmSummary>,
  { placement, source }: Pick<StartInput, 'placement' | 'source'>,
  backup: BackupLook | undefined,
  found: Findings,
  hasNameToSpare: (vm: VmSummary) => boolean = () => false,
): Promise<void> {
  const name = placement.name ?? backup?.vmName ?? source.vmName;
  if (name.length > MAX_VM_NAME_CHARACTERS) {
    found.error(
      'NameTooLong',
      `The name ${name} has ${name.length} characters; vSphere takes ${MAX_VM_NAME_CHARACTERS}. Name this one with --name`,
    );
  }
  if (CONTROL_CHARACTER.test(name)) {
    found.error(
      'InvalidInput',
      `The name ${JSON.stringify(name)} has line breaks or other control characters, which vSphere takes in no name. Name this one with --name`,
    );
  }
  const macs = connectedMacs(placement, backup);
  for await (const vm of vms) {
    if (vm.name === name && !hasNameToSpare(vm)) {
      found.error('NameTaken', `The target has a VM named ${name} (${vm.moref}). Name this one with --name`);
    }
    const shared = vm.macs.filter((mac) => macs.has(mac.toLowerCase()));
    if (vm.powerState !== 'poweredOn' || shared.length === 0) continue;
    found.error(
      'OriginalRunning',
      `${vm.name} (${vm.moref}) runs with the same MAC address (${shared.join(', ')}). ` +
        'Shut it down, or unplug this one with --network disconnected; `start` also takes --mac renew',
    );
  }
}

/**
 * A vCenter's VMs share a name as long as they are in different folders; a host's never do. Where the place is not
 * known, no name is said to be taken.
 */
export function nameScope(
  { isVirtualCenter }: Pick<Vsphere, 'isVirtualCenter'>,
  place: ChosenPlace | undefined,
): (vm: VmSummary) => boolean {
  return (vm) => isVirtualCenter && vm.folder !== place?.folder;
}

export function lookAtGatewayDatastore(
  { datastores, hosts }: Inventory,
  { host }: ChosenPlace,
  name: string,
  gateway: GatewayLook | undefined,
  found: Findings,
): void {
  const neighbours = new Set(
    hosts.filter(({ datacenter }) => datacenter.moref === host.datacenter.moref).map(({ moref }) => moref),
  );
  const other = datastores.find((each) => each.name === name && each.hosts.some((on) => neighbours.has(on)));
  if (other === undefined || gateway === undefined || other.nas?.remoteHost === gateway.advertise) return;
  const what = other.nas === undefined ? other.type : `${other.nas.remoteHost}:${other.nas.remotePath}`;
  found.error(
    'DatastoreConflict',
    `The target has a datastore ${name} that is not this gateway's (${what}, ours is ${gateway.advertise}). ` +
      'Rename or unmount it',
  );
}

/** Where the VM is to go as soon as it runs: said now, before anything is touched. */
async function lookAtAutoMigrate(
  vsphere: Vsphere,
  inventory: Inventory,
  { sessionId, autoMigrate, powerOn, placement, source, changes }: StartInput,
  {
    place,
    datastore,
    others: { backup, gateway },
  }: { place: ChosenPlace; datastore: string; others: Others },
  step: Step,
  found: Findings,
): Promise<void> {
  if (autoMigrate === undefined) return;
  const mover = {
    host: place.host,
    provisionedBytes: backup?.provisionedBytes ?? 0,
    gateway: { datastore, remoteHost: gateway?.advertise },
    folder: place.folder,
    name: placement.name ?? backup?.vmName ?? source.vmName,
    disks: (backup?.nodes ?? []).map(({ node, sizeBytes }, key) => ({ node, key, capacityBytes: sizeBytes })),
    cards: (backup?.cards ?? []).map(({ node }) => node),
    successor: { sessionId, moref: undefined, origin: backup?.origin, disks: backup?.nodes ?? [] },
  } as const;
  const powerState = powerOn ? 'poweredOn' : 'poweredOff';
  const ways = waysFor(autoMigrate.vmotion, powerState, vsphere.isVirtualCenter);
  // A target that is away is the findings' of this look; each way's own are taken over one by one.
  await firstPassable(
    ways,
    found,
    () => findings(true),
    async ({ mode }, own) =>
      lookAtRedirected(mode, changes, own)
        ? lookAtLocation(vsphere, inventory, autoMigrate, { ...mover, mode }, step, own)
        : undefined,
  );
}

export function lookAtNetworks(
  { host }: ChosenPlace,
  { placement }: Pick<StartInput, 'placement'>,
  backup: BackupLook | undefined,
  found: Findings,
): void {
  const known = new Set(host.networks.map(({ name }) => name));
  const wanted = connectedCards(placement, backup).flatMap(({ network }) => network ?? []);
  const missing = [...new Set(wanted)].filter((name) => !known.has(name));
  if (missing.length === 0) return;
  const names = missing.join(', ');
  found.warning('NetworkMissing', `Host ${host.name} has no network ${names}: those NICs will have no link`);
}

/** One per target, whatever it is called: a vCenter's own id, else the address. At most 40 of a-z, 0-9 and -. */
export function targetIdOf({ about }: Vsphere, { target }: Pick<StartInput, 'target'>): string {
  const identity = about.instanceUuid ?? `${target.host}:${target.port}`;
  const slug = target.host
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 24);
  return `${slug === '' ? 'target' : slug}-${createHash('sha256').update(identity).digest('hex').slice(0, 8)}`;
}

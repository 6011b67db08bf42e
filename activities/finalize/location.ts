// Where a finalize takes a VM, in all: datastores, host, folder, pool, name and networks, whose place it takes, and
// what lies in its way there. `start` asks it before anything is touched, `finalize` again when it comes to it.
import type { CardPlace, CardPlan, FinalizePlan, FinalizeRequest } from '../../contract/index.ts';
import type { Host, Inventory, Nic, VmSummary, Vsphere } from '../../vsphere/index.ts';
import { plansFor } from '../preflight/cards.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';
import { type Destination, lookAtDestination, type Migrant } from './destination.ts';
import { lookAtFolders } from './leftover-files.ts';
import { type FoundOriginal, findOriginal, inPlaceOf } from './original.ts';
import type { Successor } from './recognise-original.ts';

export interface Mover extends Migrant {
  /** In the inventory, now or as it will be started. */
  readonly name: string;
  /** Nodes of its network cards: `ethernet0`. */
  readonly cards: readonly string[];
  readonly successor: Successor;
}

export type Location = Omit<Destination, 'place'> &
  Pick<FinalizePlan, 'cards' | 'rename' | 'original' | 'overwrite'>;

/** Undefined when there is an error among the findings. */
export async function lookAtLocation(
  vsphere: Vsphere,
  inventory: Inventory,
  request: FinalizeRequest,
  mover: Mover,
  step: Pick<Step, 'signal'>,
  found: Findings,
): Promise<Location | undefined> {
  lookAtConsents(request, found);
  const vms = await allVms(vsphere, step);
  const { sessionId } = mover.successor;
  const original = await originalOf(vsphere, vms, request, mover, step, found);
  if (original === 'unknown') return undefined;
  const asked = original === undefined ? request : inPlaceOf(original, request);
  const destination = lookAtDestination(inventory, vsphere.isVirtualCenter, asked, mover, found);
  if (destination === undefined) return undefined;
  const { place, ...where } = destination;
  const name = asked.name ?? mover.name;
  lookAtName(vms, { name, folder: place.folder }, mover, original, found);
  const cards = planCards(request, original, mover, place.host, found);
  const overwrite = await lookAtFolders(
    vsphere,
    { vms, name, destination, original, request, sessionId },
    step,
    found,
  );
  return {
    ...where,
    ...(cards === undefined || cards.length === 0 ? {} : { cards }),
    ...(name === mover.name ? {} : { rename: { from: mover.name, to: name } }),
    ...(original === undefined ? {} : { original: original.plan }),
    ...(overwrite.length === 0 ? {} : { overwrite }),
  };
}

function lookAtConsents(
  { location, original, powerOffOriginal, removeOriginal }: FinalizeRequest,
  found: Findings,
): void {
  if (location === 'original') return;
  if (original === undefined && powerOffOriginal !== true && removeOriginal !== true) return;
  found.error(
    'InvalidInput',
    '--original, --power-off-original and --remove-original go with --location original',
  );
}

async function allVms(vsphere: Vsphere, { signal }: Pick<Step, 'signal'>): Promise<readonly VmSummary[]> {
  const vms: VmSummary[] = [];
  for await (const vm of vsphere.listVms({ templates: true, signal })) vms.push(vm);
  return vms;
}

/** Undefined where no place is to be taken; `unknown` when it can't be told whose. */
async function originalOf(
  vsphere: Vsphere,
  vms: readonly VmSummary[],
  request: FinalizeRequest,
  { successor }: Mover,
  step: Pick<Step, 'signal'>,
  found: Findings,
): Promise<FoundOriginal | undefined | 'unknown'> {
  if (request.location !== 'original') return undefined;
  return (await findOriginal(vsphere, vms, successor, request, step, found)) ?? 'unknown';
}

/**
 * A name is free where the VM goes, and where it stands now: it takes it before it goes, so that its files are
 * called so, too.
 */
function lookAtName(
  vms: readonly VmSummary[],
  to: { readonly name: string; readonly folder: string },
  { name: present, folder: from, successor }: Mover,
  original: FoundOriginal | undefined,
  found: Findings,
): void {
  const own = [successor.moref, original?.plan.moref];
  const others = vms.filter((vm) => vm.name === to.name && !own.includes(vm.moref));
  const there = others.find(({ folder }) => folder === to.folder);
  if (there !== undefined && (to.name !== present || to.folder !== from)) {
    found.error(
      'NameTaken',
      `A VM named ${to.name} (${there.moref}) is in the folder where the VM goes. Give another name with --name, ` +
        'or another folder with --folder',
    );
    return;
  }
  const here = others.find(({ folder }) => folder === from);
  if (here === undefined || to.name === present) return;
  found.error(
    'NameTaken',
    `A VM named ${to.name} (${here.moref}) is in the folder where the session's VM is now, so that it can't take ` +
      'that name on its way. Give another name with --name, or move one of them to another folder',
  );
}

/** As the original's, where there is one; what was asked for holds. */
function planCards(
  { cards = [] }: FinalizeRequest,
  original: FoundOriginal | undefined,
  { cards: nodes }: Mover,
  host: Host,
  found: Findings,
): readonly CardPlan[] | undefined {
  const asOriginal = (original?.vm.nics ?? []).flatMap((nic) => placeOf(nic, host, found) ?? []);
  const kept = asOriginal.filter(
    ({ node }) => nodes.includes(node) && !cards.some((each) => each.node === node),
  );
  return plansFor([...kept, ...cards], nodes, host, found);
}

function placeOf(
  { node, network, portgroupKey, startConnected }: Nic,
  host: Host,
  found: Findings,
): CardPlace | undefined {
  if (node === undefined) return undefined;
  if (!startConnected) return { node };
  const there = host.networks.find(({ moref, name }) =>
    portgroupKey === undefined ? name === network : moref === portgroupKey,
  );
  if (there !== undefined) return { node, network: there.moref };
  found.warning(
    'NetworkMissing',
    `Host ${host.name} does not have the network of the original's card ${node}: it stays where it is`,
  );
  return undefined;
}

// A VM's network cards where it is started: which network each goes to, and which of them are the original's still.
// Pure.
import type { CardPlace, CardPlan, StartInput } from '../../contract/index.ts';
import type { NetworkCard } from '../../vm-folder/index.ts';
import type { Host } from '../../vsphere/index.ts';
import type { BackupLook } from './backup-look.ts';
import type { Findings } from './findings.ts';
import { areSeveral } from './several-named.ts';

type Wanted = StartInput['placement'];

/** Undefined where none is asked for, or there is an error among the findings. */
export function planCards(
  host: Host,
  { cards, network }: Wanted,
  backup: BackupLook | undefined,
  found: Findings,
): readonly CardPlan[] | undefined {
  if (cards === undefined || backup === undefined) return undefined;
  if (network === 'isolated') {
    found.error('InvalidInput', "A drill's VM is on the drill's own network with every card");
    return undefined;
  }
  const nodes = backup.cards.map(({ node }) => node);
  return plansFor(cards, nodes, host, found);
}

/** @param nodes are the cards that the VM has. */
export function plansFor(
  wanted: readonly CardPlace[],
  nodes: readonly string[],
  host: Host,
  found: Findings,
): readonly CardPlan[] | undefined {
  const plans = wanted.map((card) => planFor(card, nodes, host, found));
  const named = wanted.map(({ node }) => node);
  const twice = [...new Set(named.filter((node, index) => named.indexOf(node) !== index))];
  if (twice.length > 0) found.error('InvalidInput', `--nic names ${twice.join(', ')} twice: once is enough`);
  const known = plans.filter((plan) => plan !== undefined);
  return known.length === plans.length && twice.length === 0 ? known : undefined;
}

function planFor(
  { node, network: wanted }: CardPlace,
  nodes: readonly string[],
  host: Host,
  found: Findings,
): CardPlan | undefined {
  if (!nodes.includes(node)) {
    found.error('NotFound', `The VM has no network card ${node}; it has ${listOf(nodes)}`);
    return undefined;
  }
  if (wanted === undefined) return { node, network: undefined };
  const named = host.networks.filter(({ name, moref }) => name === wanted || moref === wanted);
  if (areSeveral(named, `networks ${wanted}`, () => `on host ${host.name}`, found)) return undefined;
  const [network] = named;
  if (network !== undefined) return { node, network };
  const known = host.networks.map(({ name }) => name);
  found.error('NotFound', `Host ${host.name} has no network ${wanted}; it has ${listOf(known)}`);
  return undefined;
}

/** Cards that go where the backup says, and are plugged in there. */
export function connectedCards(
  { network, cards = [] }: Wanted,
  backup: BackupLook | undefined,
): readonly NetworkCard[] {
  if (network !== 'original') return [];
  return (backup?.cards ?? []).filter(({ node }) => !cards.some((each) => each.node === node));
}

/** MAC addresses of the backup that the VM brings to a network; lower case. */
export function connectedMacs(wanted: Wanted, backup: BackupLook | undefined): ReadonlySet<string> {
  const { mac, cards = [] } = wanted;
  if (mac === 'renew') return new Set();
  const elsewhere = (backup?.cards ?? []).filter(({ node }) =>
    cards.some((each) => each.node === node && each.network !== undefined),
  );
  const plugged = [...connectedCards(wanted, backup), ...elsewhere];
  return new Set(plugged.flatMap(({ mac: address }) => address?.toLowerCase() ?? []));
}

const listOf = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

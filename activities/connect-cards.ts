// Puts network cards of a VM where a plan says, on standard and distributed switches alike. Those that are there
// already are left alone, so that it can be repeated.
import type { CardPlan } from '../contract/index.ts';
import type { Nic, NicChange, Vm, Vsphere } from '../vsphere/index.ts';
import { failureFor } from './failures.ts';
import type { Step } from './step.ts';

/** Throws NotFound for a card that the VM does not have. */
export async function connectCards(
  vsphere: Vsphere,
  vm: Vm,
  cards: readonly CardPlan[],
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  const nics = cards.flatMap((card) => changeOf(vm, card) ?? []);
  if (nics.length > 0) await vsphere.reconfigureVm(vm.moref, { nics }, { signal });
}

/** Undefined where nothing is to be changed. */
export function changeOf(
  vm: Pick<Vm, 'name' | 'nics' | 'powerState'>,
  card: CardPlan,
): NicChange | undefined {
  const nic = vm.nics.find(({ node }) => node === card.node);
  if (nic === undefined) throw failureFor('NotFound', `${vm.name} has no network card ${card.node}`);
  const { network } = card;
  if (network === undefined) {
    return nic.startConnected || nic.connected
      ? { key: nic.key, connected: false, startConnected: false }
      : undefined;
  }
  if (isOn(nic, network) && nic.startConnected) return undefined;
  return {
    key: nic.key,
    network: network.moref,
    connected: vm.powerState === 'poweredOn',
    startConnected: true,
  };
}

function isOn({ network, portgroupKey }: Nic, wanted: { readonly moref: string; readonly name: string }) {
  return portgroupKey === undefined ? network === wanted.name : portgroupKey === wanted.moref;
}

// Changes of a VM's network cards, for ReconfigVM_Task and RelocateVM_Task alike. A card is sent back as it was
// read, changed in what was asked for alone: hosts differ in what they keep of a card that comes incomplete.
import { VsphereError } from './errors.ts';
import { decodeName } from './names.ts';
import { type Found, listAll, readObject } from './property-collector.ts';
import type { VirtualDeviceConfigSpec } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { CallOptions, NicChange } from './types.ts';
import { type EthernetCard, isEthernetCard } from './vm-state.ts';

type Backing = NonNullable<EthernetCard['backing']>;

/** Throws `NotFound` for a card or a network that is not there, `NotSupported` for an opaque network. */
export async function nicChanges(
  session: Session,
  vm: string,
  nics: readonly NicChange[],
  options: CallOptions,
): Promise<VirtualDeviceConfigSpec[]> {
  if (nics.length === 0) return [];
  const ref = { type: 'VirtualMachine', value: vm } as const;
  const found = await readObject(session, ref, ['config.hardware.device'], options);
  const cards = (found?.read['config.hardware.device'] ?? []).filter(isEthernetCard);
  const changes: VirtualDeviceConfigSpec[] = [];
  for (const nic of nics) {
    const card = cards.find((each) => each.key === nic.key);
    if (card === undefined) {
      throw new VsphereError(
        'NotFound',
        `VM ${vm} at ${session.address} has no network card with the key ${nic.key}.`,
      );
    }
    const backing = nic.network === undefined ? card.backing : await backingOf(session, nic.network, options);
    changes.push({ operation: 'edit', device: changed(card, nic, backing) });
  }
  return changes;
}

function changed(card: EthernetCard, nic: NicChange, backing: EthernetCard['backing']): EthernetCard {
  const before = card.connectable ?? { connected: false, startConnected: false, allowGuestControl: true };
  const connectable = {
    ...before,
    connected: nic.connected ?? before.connected,
    startConnected: nic.startConnected ?? before.startConnected,
  };
  return backing === undefined ? { ...card, connectable } : { ...card, connectable, backing };
}

async function backingOf(session: Session, network: string, options: CallOptions): Promise<Backing> {
  const networks = await listAll(session, 'Network', ['name'], options);
  const found = networks.find(({ ref }) => ref.value === network);
  if (found === undefined) {
    throw new VsphereError('NotFound', `${session.address} has no network ${network}.`);
  }
  switch (found.ref.type) {
    case 'Network':
      return standardBacking(found);
    case 'DistributedVirtualPortgroup':
      return distributedBacking(session, network, options);
    default:
      throw new VsphereError(
        'NotSupported',
        `Network ${network} at ${session.address} is of the kind ${found.ref.type}, which a card can't be connected to here. ` +
          'Choose a port group of a standard or distributed switch.',
      );
  }
}

function standardBacking({ ref, read }: Found<'Network', 'name'>): Backing {
  return {
    $type: 'VirtualEthernetCardNetworkBackingInfo',
    deviceName: decodeName(read.name ?? ''),
    network: { type: 'Network', value: ref.value },
  };
}

async function distributedBacking(
  session: Session,
  portgroup: string,
  options: CallOptions,
): Promise<Backing> {
  const ref = { type: 'DistributedVirtualPortgroup', value: portgroup } as const;
  const paths = ['key', 'config.distributedVirtualSwitch'] as const;
  const read = (await readObject(session, ref, paths, options))?.read;
  const dvs = read?.['config.distributedVirtualSwitch'];
  const switchRef = { type: 'DistributedVirtualSwitch', value: dvs?.value ?? '' } as const;
  const uuid =
    dvs === undefined ? undefined : (await readObject(session, switchRef, ['uuid'], options))?.read.uuid;
  if (read?.key === undefined || uuid === undefined) {
    throw new VsphereError(
      'NotFound',
      `The switch of port group ${portgroup} at ${session.address} can't be read. See whether the account may see it.`,
    );
  }
  return {
    $type: 'VirtualEthernetCardDistributedVirtualPortBackingInfo',
    port: { switchUuid: uuid, portgroupKey: read.key },
  };
}

// A drill's VM has the addresses of a machine that may be running next to it: it is powered on in the drill's own
// network, or not at all. Which sessions that holds for, and which network it is, is read from the session's id,
// so that no input can say otherwise.
import { createHash } from 'node:crypto';
import {
  drillOfSession,
  drillPortGroup,
  type StartInput,
  type TargetStepInput,
} from '../../contract/index.ts';
import type { IsolatedNetworkSpec, Vm, Vsphere } from '../../vsphere/index.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';

type Network = StartInput['placement']['network'];

/** A vSwitch's name has at most 31 characters: this one has 19. */
const SWITCH_NAME_DIGITS = 12;

/** Names of the drill's network, from its id alone: whoever removes it needs to have seen nothing. */
export function drillNetwork(drillId: string): IsolatedNetworkSpec {
  const digest = createHash('sha256').update(drillId).digest('hex').slice(0, SWITCH_NAME_DIGITS);
  return { vswitch: `rd-iso-${digest}`, portGroup: drillPortGroup(drillId) };
}

/** Throws InvalidInput unless drill's sessions, and only those, are isolated. */
export function assertNetworkOf(sessionId: string, network: Network): void {
  const isDrills = drillOfSession(sessionId) !== undefined;
  if (isDrills === (network === 'isolated')) return;
  throw failureFor(
    'InvalidInput',
    isDrills
      ? `${sessionId} is the id of a drill's session, which is run in the drill's network alone: choose another id`
      : `${sessionId} belongs to no drill, so there is no isolated network for it`,
  );
}

/** What the gateway writes into the published .vmx. */
export function publishedNetwork(
  sessionId: string,
  network: Network,
): 'original' | 'disconnected' | { readonly portGroup: string } {
  assertNetworkOf(sessionId, network);
  if (network !== 'isolated') return network;
  const drill = drillOfSession(sessionId);
  return { portGroup: drillNetwork(drill?.drillId ?? '').portGroup };
}

/**
 * Call it right before power-on. For a drill's session: makes sure that its network stands and still has no
 * uplink, and that every NIC, as the host shows it, is on it. Throws NotSupported for one that is not, and
 * VsphereError InvalidState for an uplink.
 */
export async function assertIsolated(
  vsphere: Vsphere,
  { sessionId, placement }: TargetStepInput,
  vm: Vm,
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  const drill = drillOfSession(sessionId);
  if (drill === undefined) return;
  const network = drillNetwork(drill.drillId);
  await vsphere.addIsolatedPortGroup(placement.host.moref, network, { signal });
  const elsewhere = vm.nics.filter((nic) => nic.network !== network.portGroup);
  if (elsewhere.length === 0) return;
  const cards = elsewhere.map((nic) => `${nic.label} is on ${nic.network ?? 'a switch without a name'}`);
  throw failureFor(
    'NotSupported',
    `${vm.name} is not powered on: not every NIC is in the drill's network ${network.portGroup} (${cards.join('; ')})`,
  );
}

// An isolated network on a host: a standard vSwitch without uplink, and a port group on it. That nothing leaves it
// is the point, so a vSwitch that has an uplink is refused, whoever made it.
import { VsphereError } from './errors.ts';
import { decodeName } from './names.ts';
import { listAll, readObject } from './property-collector.ts';
import type { HostPortGroup, HostVirtualSwitch, ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { CallOptions, IsolatedNetworkSpec } from './types.ts';

/** Ports of a new vSwitch; hosts since 5.5 take it for a hint and grow it as needed. */
const SWITCH_PORTS = 128;
const NO_VLAN = 0;

interface HostNetwork {
  readonly system: ManagedObjectReference;
  readonly vswitch: HostVirtualSwitch | undefined;
  readonly portGroup: HostPortGroup | undefined;
  /** Whether the vSwitch carries another port group. */
  readonly hasOthers: boolean;
}

export async function addIsolatedPortGroup(
  session: Session,
  host: string,
  spec: IsolatedNetworkSpec,
  options: CallOptions = {},
): Promise<string> {
  const { vswitch, portGroup } = spec;
  const before = await readNetwork(session, host, spec, options);
  assertIsolated(session, host, spec, before);
  if (before.vswitch === undefined) {
    const parameters = { vswitchName: vswitch, spec: { numPorts: SWITCH_PORTS } };
    await unlessThere(session.call('AddVirtualSwitch', before.system, parameters, options));
  }
  if (before.portGroup === undefined) {
    const portgrp = { name: portGroup, vlanId: NO_VLAN, vswitchName: vswitch, policy: {} };
    await unlessThere(session.call('AddPortGroup', before.system, { portgrp }, options));
  }
  // Somebody may have been faster with another meaning of the same names.
  const after = await readNetwork(session, host, spec, options);
  assertIsolated(session, host, spec, after);
  const network = await networkOf(session, host, portGroup, options);
  if (after.vswitch !== undefined && after.portGroup !== undefined && network !== undefined) return network;
  throw new VsphereError(
    'Unexpected',
    `Port group ${portGroup} was made on host ${host} at ${session.address}, but it is not there.`,
  );
}

export async function removeIsolatedPortGroup(
  session: Session,
  host: string,
  spec: IsolatedNetworkSpec,
  options: CallOptions = {},
): Promise<void> {
  const standing = await readNetwork(session, host, spec, options);
  assertIsolated(session, host, spec, standing);
  if (standing.portGroup !== undefined) {
    const parameters = { pgName: spec.portGroup };
    await unlessGone(session.call('RemovePortGroup', standing.system, parameters, options));
  }
  if (standing.vswitch !== undefined && !standing.hasOthers) {
    const parameters = { vswitchName: spec.vswitch };
    await unlessGone(session.call('RemoveVirtualSwitch', standing.system, parameters, options));
  }
}

async function readNetwork(
  session: Session,
  host: string,
  { vswitch, portGroup }: IsolatedNetworkSpec,
  options: CallOptions,
): Promise<HostNetwork> {
  const ref = { type: 'HostSystem', value: host } as const;
  const found = await readObject(session, ref, ['configManager.networkSystem'], options);
  const system = found?.read['configManager.networkSystem'];
  if (system === undefined) {
    throw new VsphereError(
      'NotFound',
      `${session.address} has no host ${host}, or the account may not see how it is configured.`,
    );
  }
  const paths = ['networkInfo.vswitch', 'networkInfo.portgroup'] as const;
  const systemRef = { type: 'HostNetworkSystem', value: system.value } as const;
  const read = (await readObject(session, systemRef, paths, options))?.read;
  const groups = read?.['networkInfo.portgroup'] ?? [];
  return {
    system,
    vswitch: read?.['networkInfo.vswitch']?.find((each) => each.name === vswitch),
    portGroup: groups.find((each) => each.spec.name === portGroup),
    hasOthers: groups.some(({ spec }) => spec.vswitchName === vswitch && spec.name !== portGroup),
  };
}

function assertIsolated(
  session: Session,
  host: string,
  { vswitch, portGroup }: IsolatedNetworkSpec,
  standing: HostNetwork,
): void {
  const where = `on host ${host} at ${session.address}`;
  if ((standing.vswitch?.pnic ?? []).length > 0) {
    throw new VsphereError(
      'InvalidState',
      `vSwitch ${vswitch} ${where} has an uplink, so it is not isolated. Use another name.`,
    );
  }
  const other = standing.portGroup?.spec.vswitchName ?? vswitch;
  if (other !== vswitch) {
    throw new VsphereError(
      'AlreadyExists',
      `Port group ${portGroup} ${where} is on vSwitch ${other}, not on ${vswitch}. Use another name.`,
    );
  }
}

/** The network of a port group as this host has it: other hosts may have one of the same name. */
async function networkOf(
  session: Session,
  host: string,
  portGroup: string,
  options: CallOptions,
): Promise<string | undefined> {
  const named = (await listAll(session, 'Network', ['name', 'host'], options)).filter(
    ({ ref, read }) => ref.type === 'Network' && decodeName(read.name ?? '') === portGroup,
  );
  const ofHost = named.find(({ read }) => read.host?.some(({ value }) => value === host));
  return (ofHost ?? (named.length === 1 ? named[0] : undefined))?.ref.value;
}

async function unlessThere(adding: Promise<unknown>): Promise<void> {
  await passingOver(adding, 'AlreadyExists');
}

async function unlessGone(removing: Promise<unknown>): Promise<void> {
  await passingOver(removing, 'NotFound');
}

async function passingOver(work: Promise<unknown>, fault: string): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof VsphereError) || error.fault !== fault) throw error;
  }
}

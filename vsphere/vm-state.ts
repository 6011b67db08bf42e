// From the properties of a VirtualMachine to what callers see. A VM whose .vmx the host can't read has no
// configuration at all; reading it as "no disks" would let a check of "every disk" pass, so it is an error.

import { cardNode, diskNode } from './device-nodes.ts';
import { VsphereError } from './errors.ts';
import { decodeName } from './names.ts';
import type { Found, Read } from './property-collector.ts';
import type {
  Properties,
  VirtualMachineQuestionInfo,
  VirtualMachineSnapshotInfo,
  VirtualMachineSnapshotTree,
} from './schema/vim25.ts';
import { codeOfFault } from './soap/fault.ts';
import type { Nic, Snapshot, VirtualDisk, Vm, VmQuestion, VmState, VmSummary } from './types.ts';

/** A disk's snapshots are fewer than that; ESXi allows 32. */
const MAX_BACKING_DEPTH = 256;

export const STATE_PATHS = [
  'runtime.powerState',
  'runtime.connectionState',
  'runtime.host',
  'runtime.question',
  'guestHeartbeatStatus',
  'guest.toolsRunningStatus',
  'guest.net',
] as const;
export const SUMMARY_PATHS = [
  'name',
  'runtime.powerState',
  'runtime.host',
  'parent',
  'summary.config.vmPathName',
  'config.template',
  'config.uuid',
  'config.instanceUuid',
  'config.extraConfig',
  'config.files.snapshotDirectory',
  'config.hardware.device',
] as const;
const CONFIG_PATHS = ['config.extraConfig', 'config.hardware.device', 'config.uuid'] as const;
export const VM_PATHS = [
  ...STATE_PATHS,
  ...CONFIG_PATHS,
  'name',
  'parent',
  'resourcePool',
  'summary.config.vmPathName',
  'config.annotation',
  'config.instanceUuid',
  'datastore',
  'snapshot',
  'runtime.consolidationNeeded',
] as const;

type Device = Properties['VirtualMachine']['config.hardware.device'][number];
export type EthernetCard = Extract<Device, { readonly macAddress?: string }>;
type Disk = Extract<Device, { readonly $type: 'VirtualDisk' }>;

export function stateOf(read: Read<'VirtualMachine', (typeof STATE_PATHS)[number]>): VmState {
  const question = read['runtime.question'];
  return {
    powerState: read['runtime.powerState'] ?? 'poweredOff',
    connectionState: read['runtime.connectionState'] ?? 'inaccessible',
    host: read['runtime.host']?.value,
    guestHeartbeatStatus: read.guestHeartbeatStatus ?? 'gray',
    toolsRunningStatus: read['guest.toolsRunningStatus'] ?? '',
    guestIpAddresses: (read['guest.net'] ?? []).flatMap((nic) => nic.ipAddress ?? []),
    question: question === undefined ? undefined : questionOf(question),
  };
}

export function summaryOf(found: Found<'VirtualMachine', (typeof SUMMARY_PATHS)[number]>): VmSummary {
  const { ref, read } = found;
  const devices = read['config.hardware.device'] ?? [];
  return {
    moref: ref.value,
    name: decodeName(read.name ?? ref.value),
    powerState: read['runtime.powerState'] ?? 'poweredOff',
    host: read['runtime.host']?.value,
    folder: read.parent?.value,
    vmPathName: read['summary.config.vmPathName'] ?? '',
    diskFiles: devices.filter(isDisk).flatMap(layersOf),
    workingFolder: (read['config.files.snapshotDirectory'] ?? '').replace(/\/$/, ''),
    uuid: read['config.uuid'] ?? '',
    instanceUuid: read['config.instanceUuid'] ?? '',
    macs: macsOf(devices),
    extraConfig: extraConfigOf(read['config.extraConfig'] ?? []),
  };
}

/** Throws `NoPermission` or `InvalidState` when the VM's configuration can't be read. */
export function vmOf(found: Found<'VirtualMachine', (typeof VM_PATHS)[number]>): Vm {
  const { ref, read } = found;
  const [options, devices, uuid] = [
    read['config.extraConfig'],
    read['config.hardware.device'],
    read['config.uuid'],
  ];
  if (options === undefined || devices === undefined || uuid === undefined) throw unreadable(found);
  return {
    ...stateOf(read),
    moref: ref.value,
    name: decodeName(read.name ?? ref.value),
    folder: read.parent?.value,
    resourcePool: read.resourcePool?.value,
    vmPathName: read['summary.config.vmPathName'] ?? '',
    uuid,
    instanceUuid: read['config.instanceUuid'] ?? '',
    datastores: (read.datastore ?? []).map((each) => each.value),
    disks: devices.filter(isDisk).map(diskOf),
    nics: devices.filter(isEthernetCard).map(nicOf),
    macs: macsOf(devices),
    extraConfig: extraConfigOf(options),
    annotation: read['config.annotation'] ?? '',
    snapshots: snapshotsOf(read.snapshot),
    consolidationNeeded: read['runtime.consolidationNeeded'] ?? false,
  };
}

export function snapshotsOf(info: VirtualMachineSnapshotInfo | undefined): readonly Snapshot[] {
  const current = info?.currentSnapshot?.value;
  const snapshotOf = (node: VirtualMachineSnapshotTree): Snapshot => ({
    moref: node.snapshot.value,
    name: decodeName(node.name),
    description: node.description,
    createTime: node.createTime,
    powerState: node.state,
    quiesced: node.quiesced,
    isCurrent: node.snapshot.value === current,
    children: (node.childSnapshotList ?? []).map(snapshotOf),
  });
  return (info?.rootSnapshotList ?? []).map(snapshotOf);
}

export function isEthernetCard(device: Device): device is EthernetCard {
  return 'macAddress' in device || 'addressType' in device;
}

export function isDisk(device: Device): device is Disk {
  return device.$type === 'VirtualDisk';
}

function unreadable({
  ref,
  read,
  missing,
}: Found<'VirtualMachine', (typeof VM_PATHS)[number]>): VsphereError {
  const fault = CONFIG_PATHS.map((path) => missing.get(path)).find((each) => each !== undefined);
  const what = `The configuration of VM ${read.name ?? ''} (${ref.value}) can't be read`;
  if (fault !== undefined) return new VsphereError(codeOfFault(fault), `${what}: ${fault}.`, { fault });
  const state = read['runtime.connectionState'] ?? 'unknown';
  return new VsphereError(
    'InvalidState',
    `${what}: its connection state is ${state}. See whether its host is connected and its datastore is mounted.`,
  );
}

/** A disk's file and those that it stands on, the nearest first. */
export function layersOf(disk: Disk): readonly string[] {
  const files: string[] = [];
  let backing: unknown = disk.backing;
  while (isFileBacking(backing) && files.length < MAX_BACKING_DEPTH) {
    files.push(backing.fileName);
    backing = backing.parent;
  }
  return files;
}

function diskOf(disk: Disk): VirtualDisk {
  const [fileName = '', ...parents] = layersOf(disk);
  return {
    key: disk.key,
    node: diskNode(disk),
    fileName,
    capacityBytes: disk.capacityInBytes ?? disk.capacityInKB * 1024,
    parents,
  };
}

function isFileBacking(
  backing: unknown,
): backing is { readonly fileName: string; readonly parent?: unknown } {
  return typeof backing === 'object' && backing !== null && 'fileName' in backing;
}

function nicOf(card: EthernetCard): Nic {
  return {
    key: card.key,
    node: cardNode(card),
    label: card.deviceInfo?.label ?? '',
    macAddress: card.macAddress ?? '',
    connected: card.connectable?.connected ?? false,
    startConnected: card.connectable?.startConnected ?? false,
    network: networkOf(card.backing),
    portgroupKey: portgroupKeyOf(card.backing),
  };
}

function networkOf(backing: EthernetCard['backing']): string | undefined {
  return backing?.$type === 'VirtualEthernetCardNetworkBackingInfo' ? backing.deviceName : undefined;
}

function portgroupKeyOf(backing: EthernetCard['backing']): string | undefined {
  const isDistributed = backing?.$type === 'VirtualEthernetCardDistributedVirtualPortBackingInfo';
  return isDistributed ? backing.port.portgroupKey : undefined;
}

function macsOf(devices: readonly Device[]): string[] {
  return devices
    .filter(isEthernetCard)
    .map((card) => card.macAddress ?? '')
    .filter((mac) => mac !== '');
}

function extraConfigOf(options: Properties['VirtualMachine']['config.extraConfig']): Record<string, string> {
  return Object.fromEntries(
    options.map(({ key, value }) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function questionOf(question: VirtualMachineQuestionInfo): VmQuestion {
  const choices = question.choice.choiceInfo.map(({ key, label, summary }) => ({ key, label, summary }));
  return {
    id: question.id,
    text: question.text,
    messageIds: (question.message ?? []).map((each) => each.id),
    choices,
    defaultChoice: choices[question.choice.defaultIndex ?? -1]?.key,
  };
}

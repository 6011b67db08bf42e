// Disks of files that are there, added to a VM and taken off it again (ReconfigVM_Task), whether it runs or not. Both
// calls can be repeated after a crash between the call and its answer: a task of an earlier try is waited for, and
// then the VM's own devices tell what is done.
import { diskNode } from './device-nodes.ts';
import { type DiskPlace, freeDiskPlace } from './disk-places.ts';
import { VsphereError } from './errors.ts';
import { readObject } from './property-collector.ts';
import type { Properties, VirtualDeviceConfigSpec } from './schema/vim25.ts';
import type { Session } from './session.ts';
import { outwaitTasks, runningTaskOfVm, runTask } from './tasks.ts';
import type { AttachDiskSpec, CallOptions, TaskOptions } from './types.ts';
import { vmRef } from './virtual-machines.ts';
import { isDisk, layersOf } from './vm-state.ts';

type Device = Properties['VirtualMachine']['config.hardware.device'][number];
type Disk = Extract<Device, { readonly $type: 'VirtualDisk' }>;

const RECONFIGURE = ['VirtualMachine.reconfigure'];
const KIB = 1024;
const NEW_DISK_KEY = -1;

export async function findDiskPlace(
  session: Session,
  vm: string,
  options: CallOptions = {},
): Promise<string | undefined> {
  return freeDiskPlace(await devicesOf(session, vm, options))?.node;
}

export async function attachDisk(
  session: Session,
  vm: string,
  spec: AttachDiskSpec,
  options: TaskOptions = {},
): Promise<string> {
  await outwaitEarlier(session, vm, options);
  const devices = await devicesOf(session, vm, options);
  const standing = devices.find((device) => hasFile(device, spec.path));
  if (standing !== undefined) return nodeOf(standing);
  const place = freeDiskPlace(devices);
  if (place === undefined) {
    throw new VsphereError(
      'NotSupported',
      `VM ${vm} at ${session.address} has no place for another disk: every controller is full. Remove a disk.`,
    );
  }
  const deviceChange = [...(place.controller === undefined ? [] : [place.controller]), addition(spec, place)];
  await runTask(session, 'ReconfigVM_Task', vmRef(vm), { spec: { deviceChange } }, options);
  const added = (await devicesOf(session, vm, options)).find((device) => hasFile(device, spec.path));
  if (added !== undefined) return nodeOf(added);
  throw new VsphereError(
    'Unexpected',
    `Adding ${spec.path} to VM ${vm} at ${session.address} succeeded, but the VM does not have it.`,
  );
}

export async function detachDisk(
  session: Session,
  vm: string,
  path: string,
  options: TaskOptions = {},
): Promise<void> {
  await outwaitEarlier(session, vm, options);
  const devices = await readDevices(session, vm, options);
  const disk = devices?.find((device) => hasFile(device, path));
  if (disk === undefined) return;
  if (layersOf(disk)[0] !== path) {
    throw new VsphereError(
      'InvalidState',
      `${path} can't be taken off VM ${vm} at ${session.address}: a snapshot stands on it. Delete that snapshot.`,
    );
  }
  // Without a file operation the file stays.
  const deviceChange: VirtualDeviceConfigSpec[] = [{ operation: 'remove', device: disk }];
  await runTask(session, 'ReconfigVM_Task', vmRef(vm), { spec: { deviceChange } }, options);
}

/** What an earlier try has asked for may still come about. */
async function outwaitEarlier(session: Session, vm: string, options: TaskOptions): Promise<void> {
  const what = `Changing the disks of VM ${vm} at ${session.address}`;
  const running = await runningTaskOfVm(session, vm, RECONFIGURE, what, options);
  if (running !== undefined) await outwaitTasks(session, [running], what, { signal: options.signal });
}

async function devicesOf(session: Session, vm: string, options: CallOptions): Promise<readonly Device[]> {
  const devices = await readDevices(session, vm, options);
  if (devices !== undefined) return devices;
  throw new VsphereError('NotFound', `VM ${vm} at ${session.address} is not there any more.`);
}

/** Undefined when the VM is gone. */
async function readDevices(
  session: Session,
  vm: string,
  options: CallOptions,
): Promise<readonly Device[] | undefined> {
  const path = 'config.hardware.device' as const;
  const found = await readObject(session, vmRef(vm), [path], options);
  const devices = found?.read[path];
  if (found === undefined || devices !== undefined) return devices;
  throw new VsphereError(
    'InvalidState',
    `The devices of VM ${vm} at ${session.address} can't be read. See whether its host is connected.`,
  );
}

/** On top, or below a snapshot's disk. */
const hasFile = (device: Device, path: string): device is Disk =>
  isDisk(device) && layersOf(device).includes(path);

const nodeOf = (disk: Disk): string => diskNode(disk) ?? `key ${disk.key}`;

function addition({ path, capacityBytes }: AttachDiskSpec, place: DiskPlace): VirtualDeviceConfigSpec {
  return {
    operation: 'add',
    device: {
      $type: 'VirtualDisk',
      key: NEW_DISK_KEY,
      backing: { $type: 'VirtualDiskFlatVer2BackingInfo', fileName: path, diskMode: 'persistent' },
      controllerKey: place.controllerKey,
      unitNumber: place.unitNumber,
      capacityInKB: Math.ceil(capacityBytes / KIB),
    },
  };
}

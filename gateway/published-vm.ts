// What a session's directory holds when it is published: the VM's small files, made fit for the session, and a
// flat file per disk that shows the backup.
import { type SmallFile, type VmAtJob } from '../vault/index.ts';
import {
  disksOf,
  type PublishedDisk,
  parseDescriptor,
  parseVmx,
  publishedDescriptor,
  publishedVmx,
  VmFolderError,
} from '../vm-folder/index.ts';
import { type PublishRequest } from './control-api.ts';
import { GatewayError, messageOf } from './gateway-error.ts';

export interface PublishedFlat {
  /** `web01-flat.vmdk` */
  readonly name: string;
  /** The disk in the backup. */
  readonly diskName: string;
  readonly sizeBytes: number;
  /** `web01.vmdk` */
  readonly descriptorName: string;
}

export interface PublishedVm {
  readonly vmxName: string;
  readonly files: readonly SmallFile[];
  readonly flats: readonly PublishedFlat[];
}

/** Throws GatewayError: InvalidInput when the backup's files don't make a VM. */
export function publishedVm(vm: VmAtJob, request: PublishRequest): PublishedVm {
  try {
    return compose(vm, request);
  } catch (error) {
    if (!(error instanceof VmFolderError)) throw error;
    throw new GatewayError('InvalidInput', `${where(request)} can't be published: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function compose(vm: VmAtJob, request: PublishRequest): PublishedVm {
  const vmxFile = vm.files.find(({ name }) => /\.vmx$/i.test(name));
  if (vmxFile === undefined) throw new GatewayError('InvalidInput', `${where(request)} has no .vmx file.`);
  const vmx = parseVmx(vmxFile.bytes, vmxFile.name);
  const disks = disksOf(vmx);
  const { sessionId, vmx: options } = request;
  const descriptorNames = new Set(disks.map(({ diskName }) => diskName));
  const files = vm.files
    .filter((file) => file !== vmxFile && !descriptorNames.has(file.name))
    .concat({ name: vmxFile.name, bytes: Buffer.from(publishedVmx(vmx, { sessionId, ...options })) })
    .concat(disks.map((disk) => descriptorOf(vm, disk, request)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { vmxName: vmxFile.name, files, flats: disks.map((disk) => flatOf(vm, disk, request)) };
}

function descriptorOf(vm: VmAtJob, disk: PublishedDisk, request: PublishRequest): SmallFile {
  const file = vm.files.find(({ name }) => name === disk.diskName);
  if (file === undefined) throw missing(disk, request);
  const text = publishedDescriptor(parseDescriptor(file.bytes, file.name), disk.flatName);
  return { name: disk.diskName, bytes: Buffer.from(text) };
}

function flatOf(vm: VmAtJob, disk: PublishedDisk, request: PublishRequest): PublishedFlat {
  const found = vm.disks.find(({ name }) => name === disk.diskName);
  if (found === undefined) throw missing(disk, request);
  return {
    name: disk.flatName,
    diskName: disk.diskName,
    sizeBytes: found.sizeBytes,
    descriptorName: disk.diskName,
  };
}

function missing({ device, diskName }: PublishedDisk, request: PublishRequest): GatewayError {
  return new GatewayError(
    'InvalidInput',
    `${where(request)} has ${device} on ${diskName}, and no such disk was backed up.`,
  );
}

function where({ source }: PublishRequest): string {
  return `'${source.vmName}' at job ${source.jobId} of ${source.backupSet}`;
}

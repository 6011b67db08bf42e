// What a session's VM is made of at one moment, as a backup would hold it: the disks as they are then, the .vmx as
// it was backed up (not ours, which carries the session's mark and name), the firmware's settings as they are, and
// each descriptor as backed up unless its disk has another size now.
//
// Refused where the disks in the session's directory are not the VM's state: after somebody took a snapshot, or gave
// the VM a disk that the backup does not know.
import { type SmallFile, type VmAtJob } from '../vault/index.ts';
import {
  baseName,
  disksOf,
  type PublishedDisk,
  parseDescriptor,
  parseVmx,
  VmFolderError,
} from '../vm-folder/index.ts';
import { GatewayError, messageOf } from './gateway-error.ts';
import { type FrozenFile, type FrozenView } from './overlay/index.ts';
import { type ExportEntry } from './registry.ts';

/** As a backup takes them. */
const MAX_SMALL_FILE_BYTES = 16 * 1024 * 1024;
const DISK_FILE = /\.vmdk$/i;
/** Beside a disk where changes are tracked; no disk itself. */
const TRACKING_FILE = /-ctk\.vmdk$/i;

export interface KeptDisk {
  /** In the backup: `web01.vmdk`. */
  readonly name: string;
  readonly file: FrozenFile;
  /** What the disk had when it was backed up. */
  readonly baseBytes: number;
}

export interface KeptVm {
  readonly disks: readonly KeptDisk[];
  readonly files: readonly SmallFile[];
}

/** Throws GatewayError: NotSupported as above; Busy when a host writes a small file just then; InvalidInput. */
export async function keptVm(view: FrozenView, entry: ExportEntry, backedUp: VmAtJob): Promise<KeptVm> {
  try {
    return await compose(view, entry, backedUp);
  } catch (error) {
    if (!(error instanceof VmFolderError)) throw error;
    throw new GatewayError('InvalidInput', `The session can't be kept: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function compose(view: FrozenView, entry: ExportEntry, backedUp: VmAtJob): Promise<KeptVm> {
  const vmxFile = backedUp.files.find(({ name }) => name === entry.vmxName);
  if (vmxFile === undefined) throw new GatewayError('InvalidInput', `The backup has no ${entry.vmxName}.`);
  const vmx = parseVmx(vmxFile.bytes, vmxFile.name);
  const published = disksOf(vmx);
  refuseOtherDisks(view, published);
  await refuseOtherConfiguration(view, entry, published);
  const disks = published.map((disk) => diskOf(view, backedUp, disk));
  const files = new Map(backedUp.files.map((file) => [file.name, file.bytes]));
  const nvram = vmx.get('nvram');
  if (nvram !== undefined && nvram !== '') await takeCurrent(view, baseName(nvram), files);
  for (const disk of disks) await takeGrownDescriptor(view, disk, files);
  return { disks, files: [...files].map(([name, bytes]) => ({ name, bytes })) };
}

/** A delta or another disk in the directory: with it the flat files are not what the guest sees. */
function refuseOtherDisks(view: FrozenView, published: readonly PublishedDisk[]): void {
  const ours = new Set(published.flatMap(({ diskName, flatName }) => [diskName, flatName]));
  const other = [...view.files.keys()].find(
    (name) => DISK_FILE.test(name) && !TRACKING_FILE.test(name) && !ours.has(name),
  );
  if (other !== undefined) throw notTheBackups(other);
}

/** The same for disks that lie elsewhere: the .vmx that the host keeps names them. */
async function refuseOtherConfiguration(
  view: FrozenView,
  { vmxName, request }: ExportEntry,
  published: readonly PublishedDisk[],
): Promise<void> {
  const bytes = await contentOf(view, vmxName);
  if (bytes === undefined) throw beingWritten(vmxName);
  const ours = new Set(published.map(({ diskName }) => diskName));
  for (const { fileName } of disksOf(currentVmx(bytes, vmxName))) {
    const isHere = !fileName.includes('/') || fileName.includes(`${request.sessionId}/`);
    if (!isHere || !ours.has(baseName(fileName))) throw notTheBackups(fileName);
  }
}

function currentVmx(bytes: Uint8Array, name: string): ReturnType<typeof parseVmx> {
  try {
    return parseVmx(bytes, name);
  } catch (error) {
    throw beingWritten(name, error);
  }
}

function diskOf(view: FrozenView, backedUp: VmAtJob, { diskName, flatName }: PublishedDisk): KeptDisk {
  const file = view.files.get(flatName);
  const base = backedUp.disks.find(({ name }) => name === diskName);
  if (file === undefined || base === undefined) {
    throw new GatewayError(
      'NotSupported',
      `The session can't be kept: ${flatName}, a disk of the VM, is not in its directory any more.`,
    );
  }
  return { name: diskName, file, baseBytes: base.sizeBytes };
}

/** A disk that the host made larger has a new descriptor. */
async function takeGrownDescriptor(
  view: FrozenView,
  { name, file, baseBytes }: KeptDisk,
  files: Map<string, Uint8Array>,
): Promise<void> {
  if (file.sizeBytes === baseBytes) return;
  await takeCurrent(view, name, files);
  const bytes = files.get(name) ?? new Uint8Array(0);
  let describedBytes: number | undefined;
  try {
    describedBytes = parseDescriptor(bytes, name).sizeBytes;
  } catch (error) {
    throw beingWritten(name, error);
  }
  if (describedBytes !== file.sizeBytes) throw beingWritten(name);
}

/** Takes the file as it is, if it is there and a host has not just emptied it. */
async function takeCurrent(view: FrozenView, name: string, files: Map<string, Uint8Array>): Promise<void> {
  const bytes = await contentOf(view, name);
  if (bytes !== undefined && bytes.byteLength > 0) files.set(name, bytes);
}

async function contentOf(view: FrozenView, name: string): Promise<Uint8Array | undefined> {
  const file = view.files.get(name);
  if (file === undefined) return undefined;
  if (file.sizeBytes > MAX_SMALL_FILE_BYTES) {
    const most = `${file.sizeBytes} bytes; a backup takes at most ${MAX_SMALL_FILE_BYTES}`;
    throw new GatewayError('NotSupported', `The session can't be kept: ${name} has ${most}.`);
  }
  return (await view.read(file, 0, MAX_SMALL_FILE_BYTES)).bytes;
}

function notTheBackups(file: string): GatewayError {
  return new GatewayError(
    'NotSupported',
    `The session can't be kept: ${file} is not a disk of its backup. The VM has a snapshot, whose changes are not in ` +
      "the disks that are kept, or a disk that was added. Delete the VM's snapshots (all of them, so that its disks " +
      'are consolidated), or detach the disk, and keep it again.',
  );
}

function beingWritten(name: string, cause?: unknown): GatewayError {
  return new GatewayError('Busy', `${name} of the session was being written at that moment.`, { cause });
}

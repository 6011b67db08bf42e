// Opens the folder of a VM that is powered off, as on a datastore or on disk, for a backup. What was there is
// remembered (inode, size, times); `assertUnchanged` looks again when everything has been read.
import { type BigIntStats, constants } from 'node:fs';
import { access, open, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { resolveDiskPath } from './datastore-paths.ts';
import { FlatDisk } from './flat-disk.ts';
import { hardwareFindings, isEncrypted } from './hardware-findings.ts';
import { type LockableFile, refuseHeldLocks, refuseLockFiles } from './in-use.ts';
import type { FolderDisk, FolderFile, HardwareFinding, OpenVmFolderOptions, VmFolder } from './types.ts';
import { namesIn, unreadable } from './unreadable.ts';
import { messageOf, VmFolderError } from './vm-folder-error.ts';
import { MAX_DESCRIPTOR_BYTES, parseDescriptor, type VmdkDescriptor } from './vmdk-descriptor.ts';
import { parseVmx, type Vmx } from './vmx.ts';
import { baseName, disksOf } from './vmx-devices.ts';

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Throws VmFolderError: SourceInvalid (no VM's folder, a disk that is missing, sparse, mapped or part of a
 * snapshot), SourceInUse (it runs, is suspended, or something locks its files), SourceChanged.
 */
export async function openVmFolder(folder: string, options: OpenVmFolderOptions = {}): Promise<VmFolder> {
  const root = await realFolder(folder);
  const opened = new OpenVmFolder(root);
  try {
    await opened.load(options.datastores ?? {});
    await opened.assertUnchanged();
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

class OpenVmFolder implements VmFolder {
  readonly folder: string;
  vmName = '';
  vmxName = '';
  readonly #disks: FlatDisk[] = [];
  readonly #files: FolderFile[] = [];
  readonly #seen: LockableFile[] = [];
  readonly #folders: Set<string>;
  #findings: readonly HardwareFinding[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.#folders = new Set([folder]);
  }

  get disks(): readonly FolderDisk[] {
    return this.#disks;
  }

  get files(): readonly FolderFile[] {
    return this.#files;
  }

  get findings(): readonly HardwareFinding[] {
    return this.#findings;
  }

  async load(datastores: Readonly<Record<string, string>>): Promise<void> {
    this.vmxName = await findVmx(this.folder);
    const vmx = parseVmx(await this.#keepFile(this.vmxName), join(this.folder, this.vmxName));
    this.vmName = vmx.get('displayName') ?? this.vmxName.replace(/\.vmx$/i, '');
    if (this.vmName === '') throw invalid(`${join(this.folder, this.vmxName)} has an empty displayName.`);
    refuseEncrypted(this.folder, vmx);
    await refuseLockFiles(this.folder);
    await refuseSuspended(this.folder, vmx);
    await this.#keepCompanions(vmx);
    await this.#openDisks(vmx, datastores);
  }

  async assertUnchanged(): Promise<void> {
    for (const folder of this.#folders) await refuseLockFiles(folder);
    await refuseHeldLocks(this.#seen);
    for (const { path, stat: before } of this.#seen) {
      const change = await changeOf(path, before);
      if (change === undefined) continue;
      throw new VmFolderError('SourceChanged', `${path} ${change} while the VM was read. Back it up again.`);
    }
  }

  async close(): Promise<void> {
    for (const disk of this.#disks) await disk.close();
  }

  async #openDisks(vmx: Vmx, datastores: Readonly<Record<string, string>>): Promise<void> {
    const descriptors = new Map<string, VmdkDescriptor>();
    const paths = new Map<string, string>();
    for (const { fileName, diskName } of disksOf(vmx)) {
      const path = await resolveDiskPath(this.folder, fileName, datastores);
      this.#folders.add(dirname(path));
      const bytes = await this.#readFile(path, MAX_DESCRIPTOR_BYTES);
      descriptors.set(diskName, parseDescriptor(bytes, path));
      paths.set(diskName, path);
      this.#files.push({ name: diskName, bytes });
    }
    this.#findings = hardwareFindings(vmx, descriptors);
    for (const [diskName, descriptor] of descriptors) {
      const path = paths.get(diskName) ?? diskName;
      refuseDescriptor(path, descriptor);
      await this.#openDisk(diskName, path, descriptor);
    }
  }

  async #openDisk(diskName: string, path: string, descriptor: VmdkDescriptor): Promise<void> {
    const disk = await FlatDisk.open(diskName, path, descriptor);
    this.#disks.push(disk);
    for (const { path: filePath, file } of disk.files) {
      this.#seen.push({ path: filePath, stat: await file.stat({ bigint: true }) });
    }
  }

  /** What the VM needs beside .vmx and disks, where it has it: firmware settings and Workstation's extra file. */
  async #keepCompanions(vmx: Vmx): Promise<void> {
    for (const key of ['nvram', 'extendedConfigFile']) {
      const value = vmx.get(key);
      if (value === undefined || value === '') continue;
      const name = baseName(value);
      if (await exists(join(this.folder, name))) await this.#keepFile(name);
    }
  }

  async #keepFile(name: string): Promise<Uint8Array> {
    const bytes = await this.#readFile(join(this.folder, name), MAX_FILE_BYTES);
    this.#files.push({ name, bytes });
    return bytes;
  }

  /** Reads a small regular file, and remembers it as it was before the read. */
  async #readFile(path: string, limitBytes: number): Promise<Uint8Array> {
    try {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const found = await file.stat({ bigint: true });
        if (!found.isFile()) throw invalid(`${path} is not a regular file.`);
        this.#seen.push({ path, stat: found });
        const length = Math.min(Number(found.size), limitBytes + 1);
        const bytes = Buffer.alloc(length);
        const { bytesRead } = await file.read(bytes, 0, length, 0);
        const head = bytes.subarray(0, bytesRead);
        if (found.size > BigInt(limitBytes)) refuseLarge(path, head, limitBytes);
        return head;
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof VmFolderError) throw error;
      throw unreadable(path, error);
    }
  }
}

/** A sparse disk is large and named like a descriptor: it has a better message. */
function refuseLarge(path: string, head: Uint8Array, limitBytes: number): never {
  if (/\.vmdk$/i.test(path)) parseDescriptor(head, path);
  throw invalid(`${path} is larger than ${limitBytes} bytes.`);
}

function refuseDescriptor(path: string, descriptor: VmdkDescriptor): void {
  if (descriptor.isRawDeviceMapping) {
    throw invalid(
      `${path} is a raw device mapping: its data is on the array, where a backup of the folder does not reach. Detach it, or make it a virtual disk.`,
    );
  }
  if (descriptor.hasParent) {
    throw invalid(`${path} is the difference to a snapshot. Consolidate the VM's disks before the backup.`);
  }
}

/** The disks of an encrypted VM say nothing without its key; what disks it has may be encrypted, too. */
function refuseEncrypted(folder: string, vmx: Vmx): void {
  if (!isEncrypted(vmx)) return;
  throw invalid(
    `The VM in ${folder} is encrypted by vSphere or Workstation: what its disks hold can't be read without its key. Decrypt it before the backup.`,
  );
}

/** A saved state that lies elsewhere can't be looked for: a host clears the key when it resumes the VM. */
async function refuseSuspended(folder: string, vmx: Vmx): Promise<void> {
  const state = vmx.get('checkpoint.vmState');
  if (state === undefined || state === '') return;
  if (!state.includes('/') && !(await exists(join(folder, state)))) return;
  throw new VmFolderError(
    'SourceInUse',
    `The VM in ${folder} is suspended (${baseName(state)}): its memory would not be in the backup. Resume it and shut it down.`,
  );
}

async function realFolder(folder: string): Promise<string> {
  try {
    const path = await realpath(folder);
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    throw unreadable(folder, error);
  }
  throw invalid(`${folder} is not a folder.`);
}

async function findVmx(folder: string): Promise<string> {
  const found = (await namesIn(folder)).filter((name) => /^[^.].*\.vmx$/i.test(name)).sort();
  const [only, ...others] = found;
  if (only === undefined) throw invalid(`${folder} is no VM's folder: it has no .vmx file.`);
  if (others.length > 0) throw invalid(`${folder} has several .vmx files: ${found.join(', ')}. Leave one.`);
  return only;
}

async function changeOf(path: string, before: BigIntStats): Promise<string | undefined> {
  let now: BigIntStats;
  try {
    now = await stat(path, { bigint: true });
  } catch (error) {
    return `went away (${messageOf(error)})`;
  }
  if (now.ino !== before.ino || now.dev !== before.dev) return 'was replaced';
  if (now.size !== before.size) return `went from ${before.size.toString()} to ${now.size.toString()} bytes`;
  if (now.mtimeNs !== before.mtimeNs || now.ctimeNs !== before.ctimeNs) return 'was changed';
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

function invalid(message: string, cause?: unknown): VmFolderError {
  return new VmFolderError('SourceInvalid', message, { cause });
}

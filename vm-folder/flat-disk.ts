// A disk of flat extents, opened for reading. Extents are regular files beside their descriptor: one that names a
// device, a path or a link is refused, because whoever may write a descriptor could else read any file with it.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FolderDisk } from './types.ts';
import { unreadable } from './unreadable.ts';
import { VmFolderError } from './vm-folder-error.ts';
import { type Extent, SECTOR_BYTES, type VmdkDescriptor } from './vmdk-descriptor.ts';

const FLAT_TYPES = new Set(['FLAT', 'VMFS']);

interface OpenExtent {
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** Undefined for a ZERO extent. */
  readonly file: FileHandle | undefined;
  readonly path: string;
  readonly offsetBytes: number;
}

export class FlatDisk implements FolderDisk {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly #extents: readonly OpenExtent[];

  private constructor(name: string, path: string, sizeBytes: number, extents: readonly OpenExtent[]) {
    this.name = name;
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#extents = extents;
  }

  /** Throws VmFolderError SourceInvalid, naming the extent, unless every one is there in its full length. */
  static async open(name: string, path: string, descriptor: VmdkDescriptor): Promise<FlatDisk> {
    const extents: OpenExtent[] = [];
    try {
      let startBytes = 0;
      for (const extent of descriptor.extents) {
        const opened = await openExtent(path, extent, startBytes);
        extents.push(opened);
        startBytes += opened.lengthBytes;
      }
      return new FlatDisk(name, path, descriptor.sizeBytes, extents);
    } catch (error) {
      await closeAll(extents);
      throw error;
    }
  }

  /** The files that hold the data. */
  get files(): readonly { path: string; file: FileHandle }[] {
    return this.#extents.flatMap(({ path, file }) => (file === undefined ? [] : [{ path, file }]));
  }

  async read(offsetBytes: number, into: Uint8Array): Promise<void> {
    if (offsetBytes < 0 || offsetBytes + into.byteLength > this.sizeBytes) {
      throw new VmFolderError(
        'SourceInvalid',
        `A read of ${into.byteLength} bytes at ${offsetBytes} is beyond the end of ${this.path}.`,
      );
    }
    for (const extent of this.#extents) {
      const from = Math.max(offsetBytes, extent.startBytes);
      const to = Math.min(offsetBytes + into.byteLength, extent.startBytes + extent.lengthBytes);
      if (from < to) await readExtent(extent, from, into.subarray(from - offsetBytes, to - offsetBytes));
    }
  }

  async close(): Promise<void> {
    await closeAll(this.#extents);
  }
}

async function openExtent(descriptorPath: string, extent: Extent, startBytes: number): Promise<OpenExtent> {
  const lengthBytes = extent.sectors * SECTOR_BYTES;
  if (extent.type === 'ZERO') {
    return { startBytes, lengthBytes, file: undefined, path: descriptorPath, offsetBytes: 0 };
  }
  const { fileName } = extent;
  if (!FLAT_TYPES.has(extent.type) || extent.access === 'NOACCESS' || fileName === undefined) {
    throw new VmFolderError(
      'SourceInvalid',
      `${descriptorPath} has an extent of type ${extent.type}; only flat ones can be backed up from a folder. Convert the disk: vmkfstools -i, or qemu-img convert -O vmdk -o subformat=monolithicFlat.`,
    );
  }
  if (fileName === '' || fileName.includes('/') || fileName === '..') {
    throw new VmFolderError(
      'SourceInvalid',
      `${descriptorPath} names the extent '${fileName}', which is not a file beside it.`,
    );
  }
  const path = join(dirname(descriptorPath), fileName);
  const offsetBytes = extent.offsetSectors * SECTOR_BYTES;
  const file = await openRegularFile(path, offsetBytes + lengthBytes);
  return { startBytes, lengthBytes, file, path, offsetBytes };
}

async function openRegularFile(path: string, neededBytes: number): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
  const stat = await file.stat();
  if (stat.isFile() && stat.size >= neededBytes) return file;
  await file.close();
  const problem = stat.isFile()
    ? `has ${stat.size} bytes; its descriptor says ${neededBytes}`
    : 'is not a regular file';
  throw new VmFolderError('SourceInvalid', `The disk's file ${path} ${problem}.`);
}

async function readExtent(extent: OpenExtent, fromBytes: number, into: Uint8Array): Promise<void> {
  if (extent.file === undefined) {
    into.fill(0);
    return;
  }
  let position = extent.offsetBytes + fromBytes - extent.startBytes;
  let filled = 0;
  while (filled < into.byteLength) {
    const bytesRead = await readSome(extent.path, extent.file, into.subarray(filled), position);
    if (bytesRead === 0) {
      throw new VmFolderError('SourceChanged', `${extent.path} became shorter while it was read.`);
    }
    filled += bytesRead;
    position += bytesRead;
  }
}

async function readSome(path: string, file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  try {
    return (await file.read(into, 0, into.byteLength, position)).bytesRead;
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function closeAll(extents: readonly OpenExtent[]): Promise<void> {
  for (const { file } of extents) await file?.close();
}

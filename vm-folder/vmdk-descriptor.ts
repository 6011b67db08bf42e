// A VMDK descriptor: the small text file that says what a disk consists of. The kinds that are read here have
// their data in flat files of plain sectors.
// Source: VMware Virtual Disk Format 1.1 (2007), "The Disk Descriptor File".
import { decodeText } from './text-encoding.ts';
import { VmFolderError } from './vm-folder-error.ts';

export const MAX_DESCRIPTOR_BYTES = 1024 * 1024;
export const SECTOR_BYTES = 512;
const MAX_SECTORS = (64 * 1024 ** 4) / SECTOR_BYTES;
const NO_PARENT = 'ffffffff';
const ENCODING = /^[ \t]*encoding[ \t]*=[ \t]*"?([A-Za-z0-9_.:-]+)"?/im;
/** Of lines without blanks at their ends, like SETTING. */
const EXTENT = /^(RW|RDONLY|NOACCESS)\s+(\d+)\s+([A-Z0-9]+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?$/i;
const LIKE_EXTENT = /^(?:RW|RDONLY|NOACCESS)\s/i;
const SETTING = /^([A-Za-z0-9_.]+)\s*=\s*(?:"([^"]*)"|(\S*))$/;
/** Of a line, in an error. */
const SHOWN_CHARACTERS = 60;
/** First bytes of disks that carry their descriptor inside, or none: hosted sparse, COWD, SE sparse. */
const BINARY_MAGICS = ['KDMV', 'COWD', '\xbe\xba\xfe\xca'];
const TRACKING_KEY = 'changetrackpath';
const TRACKING_TITLE = /^\s*#\s*Change Tracking File/i;
const RAW_DEVICE_MAPPINGS = new Set(['vmfsrawdevicemap', 'vmfspassthroughrawdevicemap']);

export interface Extent {
  readonly access: 'RW' | 'RDONLY' | 'NOACCESS';
  readonly sectors: number;
  /** FLAT, VMFS, ZERO, SPARSE, VMFSRDM, … */
  readonly type: string;
  readonly fileName: string | undefined;
  /** Where in the file it starts. */
  readonly offsetSectors: number;
}

export interface VmdkDescriptor {
  readonly createType: string;
  /** 8 hexadecimal digits, lower case. */
  readonly cid: string;
  readonly hasParent: boolean;
  readonly extents: readonly Extent[];
  readonly sizeBytes: number;
  readonly isRawDeviceMapping: boolean;
  readonly text: string;
}

/** Throws VmFolderError SourceInvalid when it is no descriptor. `name` is for the message. */
export function parseDescriptor(bytes: Uint8Array, name: string): VmdkDescriptor {
  refuseBinary(bytes, name);
  const text = decodeText(bytes, ENCODING, name);
  const settings = new Map<string, string>();
  const extents: Extent[] = [];
  for (const line of text.split(/\r?\n/)) {
    const extent = parseExtent(line);
    if (extent !== undefined) extents.push(extent);
    else refuseLikeExtent(line, name);
    const [, key, quoted, bare] = SETTING.exec(line.trim()) ?? [];
    if (key !== undefined) settings.set(key.toLowerCase(), quoted ?? bare ?? '');
  }
  const createType = settings.get('createtype');
  const cid = settings.get('cid');
  const sectors = extents.reduce((sum, extent) => sum + extent.sectors, 0);
  if (createType === undefined || cid === undefined || sectors === 0 || sectors > MAX_SECTORS) {
    throw new VmFolderError(
      'SourceInvalid',
      `${name} is no VMDK descriptor: CID, createType or extents are missing.`,
    );
  }
  const parentCid = settings.get('parentcid')?.toLowerCase() ?? NO_PARENT;
  return {
    createType,
    cid: cid.toLowerCase(),
    hasParent: parentCid !== NO_PARENT || settings.has('parentfilenamehint'),
    extents,
    sizeBytes: sectors * SECTOR_BYTES,
    isRawDeviceMapping: RAW_DEVICE_MAPPINGS.has(createType.toLowerCase()),
    text,
  };
}

/**
 * The descriptor with one flat extent, `flatName`, that holds the whole disk as a datastore does it
 * (createType "vmfs"). CID, geometry, UUIDs and everything else stay as they are, but for a file in which a host kept
 * which blocks changed: it is not in the backup, and a disk that names it opens nowhere without it.
 * Source: Virtual Disk Development Kit, "Changed Block Tracking": version 3 is version 1 with such a file.
 */
export function publishedDescriptor(descriptor: VmdkDescriptor, flatName: string): string {
  const lines: string[] = [];
  let extentWritten = false;
  const all = descriptor.text.split(/\r?\n/);
  const isTracked = all.some((line) => keyOf(line) === TRACKING_KEY);
  for (const line of all) {
    if (isTracked && (keyOf(line) === TRACKING_KEY || TRACKING_TITLE.test(line))) continue;
    if (parseExtent(line) === undefined) {
      lines.push(publishedSetting(line, isTracked));
    } else if (!extentWritten) {
      lines.push(`RW ${descriptor.sizeBytes / SECTOR_BYTES} VMFS "${flatName}"`);
      extentWritten = true;
    }
  }
  return lines.join('\n');
}

function publishedSetting(line: string, isTracked: boolean): string {
  const key = keyOf(line);
  if (key === 'version' && isTracked) return line.replace('3', '1');
  if (key === 'createtype') return 'createType="vmfs"';
  if (key === 'encoding') return 'encoding="UTF-8"';
  return line;
}

const keyOf = (line: string): string | undefined => SETTING.exec(line.trim())?.[1]?.toLowerCase();

function parseExtent(line: string): Extent | undefined {
  const [, mode, sectors, type, fileName, offset] = EXTENT.exec(line.trim()) ?? [];
  if (sectors === undefined || type === undefined) return undefined;
  const access = mode?.toUpperCase();
  if (access !== 'RW' && access !== 'RDONLY' && access !== 'NOACCESS') return undefined;
  const offsetSectors = Number(offset ?? 0);
  return { access, sectors: Number(sectors), type: type.toUpperCase(), fileName, offsetSectors };
}

/** Passed over, it would leave its part of the disk out of the backup: a partition of a physical disk, for one. */
function refuseLikeExtent(line: string, name: string): void {
  if (!LIKE_EXTENT.test(line.trim())) return;
  const start = line.trim().slice(0, SHOWN_CHARACTERS);
  throw new VmFolderError(
    'SourceInvalid',
    `${name} has an extent that can't be read: ${start}. Only flat files can be backed up from a folder.`,
  );
}

function refuseBinary(bytes: Uint8Array, name: string): void {
  const start = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  if (BINARY_MAGICS.includes(start)) {
    throw new VmFolderError(
      'SourceInvalid',
      `${name} is a sparse disk; only flat ones can be backed up from a folder. Convert it: vmkfstools -i, or qemu-img convert -O vmdk -o subformat=monolithicFlat.`,
    );
  }
  if (bytes.byteLength > MAX_DESCRIPTOR_BYTES) {
    throw new VmFolderError(
      'SourceInvalid',
      `${name} has ${bytes.byteLength} bytes: it is no VMDK descriptor.`,
    );
  }
}

const ADAPTER = /^[ \t]*ddb\.adapterType[ \t]*=.*$/im;
/** What a disk has whose descriptor names none. */
const DEFAULT_ADAPTER = 'lsilogic';

/** `lsilogic`, `buslogic`, `ide`, `pvscsi`, …: lower case, as descriptors write it. */
export function adapterTypeOf({ text }: VmdkDescriptor): string {
  const [, value] = /^[ \t]*ddb\.adapterType[ \t]*=[ \t]*"?([A-Za-z0-9]+)"?[ \t]*$/im.exec(text) ?? [];
  return value?.toLowerCase() ?? DEFAULT_ADAPTER;
}

/** The descriptor's text with another adapter; nothing else in it changes. */
export function withAdapterType({ text }: VmdkDescriptor, adapterType: string): string {
  const line = `ddb.adapterType = "${adapterType}"`;
  return ADAPTER.test(text) ? text.replace(ADAPTER, line) : `${text.trimEnd()}\n${line}\n`;
}

const PARENT_CID = /^([ \t]*parentCID[ \t]*=[ \t]*)"?([0-9a-f]{8})"?[ \t]*$/im;
const PARENT_HINT = /^([ \t]*parentFileNameHint[ \t]*=[ \t]*)"([^"]*)"[ \t]*$/im;

/** What a disk of changes stands on, as its descriptor names it; undefined where it stands by itself. */
export interface ParentLink {
  /** 8 hexadecimal digits: the content ID that the parent must have. */
  readonly cid: string;
  /** The parent's descriptor: relative to this one, or absolute. */
  readonly hint: string;
}

export function parentOf({ text }: VmdkDescriptor): ParentLink | undefined {
  const cid = PARENT_CID.exec(text)?.[2]?.toLowerCase();
  const hint = PARENT_HINT.exec(text)?.[2];
  return cid === undefined || cid === NO_PARENT || hint === undefined ? undefined : { cid, hint };
}

/** The descriptor's text on another parent, of a disk that has one; nothing else in it changes. */
export function withParent({ text }: VmdkDescriptor, { cid, hint }: ParentLink): string {
  return text
    .replace(PARENT_CID, (_, key: string) => `${key}${cid}`)
    .replace(PARENT_HINT, (_, key: string) => `${key}"${hint}"`);
}

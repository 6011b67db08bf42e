// Where a disk's partitions begin, for whoever loop-mounts them: MBR with its logical partitions, and GPT.
// Sources: UEFI Specification 2.10, section 5 (GPT; protective MBR); the MBR's layout as every PC firmware reads it.
import type { BrowsePartition } from '../../contract/index.ts';

/** Sectors of a VMDK. */
const SECTOR_BYTES = 512;
const MBR_ENTRIES_OFFSET = 446;
const MBR_ENTRY_BYTES = 16;
const MBR_ENTRIES = 4;
const MBR_SIGNATURE = 0xaa55;
const PROTECTIVE = 0xee;
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
const FIRST_LOGICAL = 5;
/** A chain that is longer is a loop, or nobody's. */
const MAX_LOGICAL = 60;
const GPT_SIGNATURE = 'EFI PART';
const MIN_GPT_ENTRY_BYTES = 128;
/** As many as any partitioner makes. */
const MAX_GPT_ENTRIES = 128;
const MAX_GPT_ENTRY_BYTES = 4096;

/** Reads `lengthBytes` of the disk from `offsetBytes`. */
export type ReadDisk = (offsetBytes: number, lengthBytes: number) => Promise<Buffer>;

/** Empty for a disk without a partition table that is known here. What lies beyond the disk's end is left out. */
export async function partitionsOf(read: ReadDisk, sizeBytes: number): Promise<BrowsePartition[]> {
  if (sizeBytes < 2 * SECTOR_BYTES) return [];
  const mbr = entriesOf(await read(0, SECTOR_BYTES));
  const isGpt = mbr.some(({ type }) => type === PROTECTIVE);
  const found = isGpt ? await gptPartitions(read, sizeBytes) : await mbrPartitions(read, mbr, sizeBytes);
  return found.filter((each) => each.sizeBytes > 0 && each.offsetBytes + each.sizeBytes <= sizeBytes);
}

interface MbrEntry {
  readonly number: number;
  readonly type: number;
  readonly firstSector: number;
  readonly sectors: number;
}

/** Those that are used, of a sector that is a partition table. */
function entriesOf(sector: Buffer): MbrEntry[] {
  if (sector.readUInt16LE(SECTOR_BYTES - 2) !== MBR_SIGNATURE) return [];
  return Array.from({ length: MBR_ENTRIES }, (_, index) => {
    const at = MBR_ENTRIES_OFFSET + index * MBR_ENTRY_BYTES;
    const firstSector = sector.readUInt32LE(at + 8);
    return {
      number: index + 1,
      type: sector[at + 4] ?? 0,
      firstSector,
      sectors: sector.readUInt32LE(at + 12),
    };
  }).filter(({ type, sectors }) => type !== 0 && sectors > 0);
}

const partition = (number: number, firstSector: number, sectors: number): BrowsePartition => ({
  number,
  offsetBytes: firstSector * SECTOR_BYTES,
  sizeBytes: sectors * SECTOR_BYTES,
});

async function mbrPartitions(
  read: ReadDisk,
  entries: readonly MbrEntry[],
  sizeBytes: number,
): Promise<BrowsePartition[]> {
  const primary = entries.filter(({ type }) => !EXTENDED.has(type));
  const extended = entries.find(({ type }) => EXTENDED.has(type));
  const found = primary.map(({ number, firstSector, sectors }) => partition(number, firstSector, sectors));
  return extended === undefined ? found : [...found, ...(await logicalOf(read, extended, sizeBytes))];
}

/** A chain of tables, each with one partition (from its own place) and the next table (from the first one's). */
async function logicalOf(read: ReadDisk, { firstSector: base }: MbrEntry, sizeBytes: number) {
  const found: BrowsePartition[] = [];
  let table: number | undefined = base;
  while (table !== undefined && found.length < MAX_LOGICAL && (table + 1) * SECTOR_BYTES <= sizeBytes) {
    const at: number = table;
    const entries = entriesOf(await read(at * SECTOR_BYTES, SECTOR_BYTES));
    const own = entries.find(({ type }) => !EXTENDED.has(type));
    if (own === undefined) break;
    found.push(partition(FIRST_LOGICAL + found.length, at + own.firstSector, own.sectors));
    const next = entries.find(({ type }) => EXTENDED.has(type));
    table = next === undefined ? undefined : base + next.firstSector;
  }
  return found;
}

async function gptPartitions(read: ReadDisk, sizeBytes: number): Promise<BrowsePartition[]> {
  const header = await read(SECTOR_BYTES, SECTOR_BYTES);
  if (header.toString('latin1', 0, 8) !== GPT_SIGNATURE) return [];
  const tableBytes = Number(header.readBigUInt64LE(72)) * SECTOR_BYTES;
  const count = Math.min(header.readUInt32LE(80), MAX_GPT_ENTRIES);
  const entryBytes = header.readUInt32LE(84);
  const isSane = entryBytes >= MIN_GPT_ENTRY_BYTES && entryBytes <= MAX_GPT_ENTRY_BYTES && count > 0;
  if (!isSane || tableBytes + count * entryBytes > sizeBytes) return [];
  const table = await read(tableBytes, count * entryBytes);
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(index * entryBytes, (index + 1) * entryBytes);
    const isUsed = entry.subarray(0, 16).some((byte) => byte !== 0);
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    return partition(index + 1, first, isUsed ? last - first + 1 : 0);
  });
}

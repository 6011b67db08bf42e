// The boot sector of the tiny VM, assembled from boot-sector.s, which says what it does; the test beside it assembles
// it again where the machine has an assembler.

const SECTOR_BYTES = 512;
const CODE = Buffer.from(
  [
    'fa31c08ed88ec08ed0bc007cea117c0000fbfc8816677cbe687cac84c07409b40ebb0700cd10ebf2b402e8290066ff06',
    '0880b403e81f00668b1e6c04f466a16c046629d86683f81272f266ff060c80b403e80200ebe1b001bb0080b90200b600',
    '8a16677ccd13c30052756e204469726563742070726f76653a206120564d206f6620697473206f776e2c207768696368',
    '2072656d6f76657320697473656c662e0d0a00',
  ].join(''),
  'hex',
);

/** The first sector of the tiny VM's disk. */
export function bootSector(): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  CODE.copy(sector);
  sector.writeUInt16BE(0x55aa, SECTOR_BYTES - 2);
  return sector;
}

const MAGIC = Buffer.from('RDPROVE1');

/** The second sector before the first boot. */
export function counterSector(): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  MAGIC.copy(sector);
  return sector;
}

export interface GuestCounters {
  readonly boots: number;
  /** That it went on writing, all boots together. */
  readonly seconds: number;
}

/** What the guest has counted, from the start of its disk; undefined where that is not the tiny VM's. */
export function readCounters(disk: Uint8Array): GuestCounters | undefined {
  const sector = Buffer.from(disk.buffer, disk.byteOffset, disk.byteLength).subarray(
    SECTOR_BYTES,
    2 * SECTOR_BYTES,
  );
  if (sector.byteLength < SECTOR_BYTES || !sector.subarray(0, MAGIC.byteLength).equals(MAGIC))
    return undefined;
  return {
    boots: sector.readUInt32LE(MAGIC.byteLength),
    seconds: sector.readUInt32LE(MAGIC.byteLength + 4),
  };
}

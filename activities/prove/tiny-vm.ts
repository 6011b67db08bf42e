// The tiny VM of a proof: 4 MiB of disk, 32 MiB of memory, a BIOS and a network card that is never plugged in. It
// needs no guest tools and no operating system (boot-sector.s), and any host since ESXi 6.5 can run it.
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootSector, counterSector } from './boot-sector.ts';

/** Its name in the backup, and that of all its files. */
export const TINY_VM = 'prove';
export const TINY_DISK = `${TINY_VM}.vmdk`;
export const TINY_FLAT = `${TINY_VM}-flat.vmdk`;

const DISK_BYTES = 4 * 1024 * 1024;
const SECTOR_BYTES = 512;
/** As controllers of this kind present disks below 1 GiB. */
const [HEADS, SECTORS_PER_TRACK] = [64, 32];
const MEMORY_MIB = 32;

/** Writes its folder, as a powered-off VM's on a datastore. */
export async function writeTinyVm(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const disk = Buffer.concat([bootSector(), counterSector()], DISK_BYTES);
  await writeFile(join(folder, `${TINY_VM}.vmx`), tinyVmx());
  await writeFile(join(folder, TINY_DISK), tinyDescriptor());
  await writeFile(join(folder, TINY_FLAT), disk);
}

/** Its uuid.location is nowhere, so that a host would ask whether it was moved or copied. */
function tinyVmx(): string {
  const settings = {
    '.encoding': 'UTF-8',
    'config.version': '8',
    'virtualHW.version': '13',
    displayName: TINY_VM,
    guestOS: 'other',
    firmware: 'bios',
    memsize: String(MEMORY_MIB),
    numvcpus: '1',
    'svga.present': 'TRUE',
    'floppy0.present': 'FALSE',
    ...pciBridges(),
    'scsi0.present': 'TRUE',
    'scsi0.virtualDev': 'lsilogic',
    'scsi0:0.present': 'TRUE',
    'scsi0:0.deviceType': 'scsi-hardDisk',
    'scsi0:0.fileName': TINY_DISK,
    'ethernet0.present': 'TRUE',
    'ethernet0.virtualDev': 'e1000',
    'ethernet0.addressType': 'generated',
    'ethernet0.networkName': 'rundirect-prove',
    'ethernet0.startConnected': 'FALSE',
    'uuid.bios': uuid(),
    'uuid.location': uuid(),
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key} = "${value}"\n`)
    .join('');
}

/** As every host writes them into a new .vmx. */
function pciBridges(): Record<string, string> {
  const rootPorts = [4, 5, 6, 7].flatMap((slot): [string, string][] => [
    [`pciBridge${slot}.present`, 'TRUE'],
    [`pciBridge${slot}.virtualDev`, 'pcieRootPort'],
    [`pciBridge${slot}.functions`, '8'],
  ]);
  return { 'pciBridge0.present': 'TRUE', ...Object.fromEntries(rootPorts) };
}

/** `56 4d 00 … 00-00 …`, as a .vmx writes it. */
function uuid(): string {
  const bytes = [...randomBytes(16)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `${bytes.slice(0, 8).join(' ')}-${bytes.slice(8).join(' ')}`;
}

function tinyDescriptor(): string {
  const sectors = DISK_BYTES / SECTOR_BYTES;
  return `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=${randomBytes(3).toString('hex')}01
parentCID=ffffffff
createType="vmfs"

# Extent description
RW ${sectors} VMFS "${TINY_FLAT}"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "${sectors / (HEADS * SECTORS_PER_TRACK)}"
ddb.geometry.heads = "${HEADS}"
ddb.geometry.sectors = "${SECTORS_PER_TRACK}"
ddb.thinProvisioned = "1"
ddb.virtualHWVersion = "13"
`;
}

// Which disks, removable media and network cards a .vmx has, and what its disks are called in a backup and where
// that is published. The names are decided here alone: a backup takes a disk's name from `disksOf`, and so do
// the published .vmx and the directory that is served beside it.
import type { NetworkCard, PublishedDisk } from './types.ts';
import type { Vmx } from './vmx.ts';

const DISK_FILE = /^((?:scsi|sata|ide|nvme)\d+:\d+)\.filename$/;
const ANY_FILE = /^(.+)\.filename$/;
const REMOVABLE = /^((?:(?:scsi|sata|ide)\d+:\d+)|floppy\d+)\.filename$/;
const NIC_PRESENT = /^(ethernet\d+)\.present$/;
const DESCRIPTOR_END = /\.vmdk$/i;
const HARD_DISK = /harddisk$/i;
/** Backings without a medium: none, the host's drive by itself, a client's drive. */
const NO_MEDIUM = new Set(['', 'emptybackingstring', 'auto detect', 'auto']);

/**
 * The disks in the file's order. Two that have one file name on different datastores get different names:
 * the second `web01.vmdk` becomes `web01-2.vmdk`.
 */
export function disksOf(vmx: Vmx): PublishedDisk[] {
  const taken = new Set<string>();
  const disks: PublishedDisk[] = [];
  for (const [key, fileName] of vmx.entries()) {
    const device = DISK_FILE.exec(key)?.[1];
    if (device === undefined || !vmx.isTrue(`${device}.present`) || !isDisk(vmx, device, fileName)) continue;
    const stem = baseName(fileName).replace(DESCRIPTOR_END, '');
    const free = freeStem(stem, taken);
    taken.add(`${free}.vmdk`.toLowerCase()).add(`${free}-flat.vmdk`.toLowerCase());
    disks.push({ device, fileName, diskName: `${free}.vmdk`, flatName: `${free}-flat.vmdk` });
  }
  return disks;
}

/** Disks by their files' names that hang on no controller of `disksOf`. */
export function otherDisksOf(vmx: Vmx): { device: string; fileName: string }[] {
  const others: { device: string; fileName: string }[] = [];
  for (const [key, fileName] of vmx.entries()) {
    const device = DISK_FILE.test(key) ? undefined : ANY_FILE.exec(key)?.[1];
    if (device === undefined || !DESCRIPTOR_END.test(fileName) || !vmx.isTrue(`${device}.present`)) continue;
    others.push({ device, fileName });
  }
  return others;
}

/** Drives whose medium is a file: ISO and floppy images. */
export function mediaOf(vmx: Vmx): { device: string; fileName: string }[] {
  const media: { device: string; fileName: string }[] = [];
  for (const [key, fileName] of vmx.entries()) {
    const device = REMOVABLE.exec(key)?.[1];
    if (device === undefined || NO_MEDIUM.has(fileName.toLowerCase())) continue;
    if (device.startsWith('floppy') || isOpticalDrive(vmx, device)) media.push({ device, fileName });
  }
  return media;
}

/** Network cards that are present: `ethernet0`. */
export function networkCardsOf(vmx: Vmx): string[] {
  const cards: string[] = [];
  for (const [key] of vmx.entries()) {
    const card = NIC_PRESENT.exec(key)?.[1];
    if (card !== undefined && vmx.isTrue(key)) cards.push(card);
  }
  return cards;
}

/** Its cards with what the file knows of each; a card on a distributed switch names no network. */
export function cardsOf(vmx: Vmx): NetworkCard[] {
  return networkCardsOf(vmx).map((node) => {
    const isStatic = vmx.get(`${node}.addressType`)?.toLowerCase() === 'static';
    const address = vmx.get(isStatic ? `${node}.address` : `${node}.generatedAddress`);
    const network = vmx.get(`${node}.networkName`);
    return {
      node,
      mac: address === undefined || address === '' ? undefined : address.toLowerCase().replaceAll('-', ':'),
      network: network === '' ? undefined : network,
    };
  });
}

/** What the VM is known by, as the API writes UUIDs; undefined where the file has none. */
export function uuidsOf(vmx: Vmx): { uuid: string | undefined; instanceUuid: string | undefined } {
  return { uuid: apiUuid(vmx.get('uuid.bios')), instanceUuid: apiUuid(vmx.get('vc.uuid')) };
}

/** `56 4d 00 01 … 06 07-08 09 …` is 564d0001-0203-0405-0607-0809… */
function apiUuid(text: string | undefined): string | undefined {
  const digits = text?.replaceAll(/[\s-]/g, '').toLowerCase() ?? '';
  const parts = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/.exec(digits);
  return parts === null ? undefined : parts.slice(1).join('-');
}

/** The last part of a path. What has no slash is a name, brackets in it or not: VMs are called `[test] web`, too. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** By its file's name or by what it says to be: a disk of another name is an error to be told, not one to be left out. */
function isDisk(vmx: Vmx, device: string, fileName: string): boolean {
  const type = vmx.get(`${device}.deviceType`) ?? '';
  return (DESCRIPTOR_END.test(fileName) || HARD_DISK.test(type)) && !isOpticalDrive(vmx, device);
}

function isOpticalDrive(vmx: Vmx, device: string): boolean {
  return vmx.get(`${device}.deviceType`)?.toLowerCase().includes('cdrom') === true;
}

function freeStem(stem: string, taken: ReadonlySet<string>): string {
  const isFree = (candidate: string) =>
    !taken.has(`${candidate}.vmdk`.toLowerCase()) && !taken.has(`${candidate}-flat.vmdk`.toLowerCase());
  let candidate = stem;
  for (let number = 2; !isFree(candidate); number += 1) candidate = `${stem}-${number}`;
  return candidate;
}

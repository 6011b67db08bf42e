// Restores in the lab: a VM with two disks that is backed up, what comes back in production, and that nothing else
// does. Looked for on the datastores' own folders, not asked of the restore.
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import { sha256 } from '../../demo/file-digests.ts';
import type { House } from '../../demo/house.ts';
import type { LabVm } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { connect, type Vm } from '../../vsphere/index.ts';

export const SET = 'nightly';
export const VM = 'web01';
const SECOND_DISK_MIB = 24;
const MIB = 1024 * 1024;

export interface Original {
  readonly vm: LabVm;
  /** SHA-256 of what each disk held at the backup, by the name of its data file. */
  readonly disks: Readonly<Record<string, string>>;
  /** Of every file in its folder. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * A VM that has something on both of its disks, is off, and was backed up. It stays where it is.
 * @param write writes to the second disk: its folder, and the name of its data file.
 */
export async function prepareOriginal(
  house: House,
  secondDiskMib = SECOND_DISK_MIB,
  write: (folder: string, name: string) => Promise<void> = writeSome,
): Promise<Original> {
  const vm = await house.createVm(VM, { disks: [{ sizeMiB: secondDiskMib }] });
  await write(vm.folder, `${VM}_1-flat.vmdk`);
  await house.backup(SET, vm.folder);
  const files = await digestsOf(vm.folder);
  const disks = Object.fromEntries(Object.entries(files).filter(([name]) => name.endsWith('-flat.vmdk')));
  expect(Object.keys(disks)).toHaveLength(2);
  return { vm, disks, files };
}

async function writeSome(folder: string, name: string): Promise<void> {
  const file = await open(path.join(folder, name), 'r+');
  await file.write(Buffer.from('restored bytes '.repeat(100_000)), 0, undefined, 5 * MIB);
  await file.close();
}

export async function digestsOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  const digests = await Promise.all(names.map((name) => sha256(path.join(folder, name))));
  return Object.fromEntries(names.map((name, index) => [name, digests[index] ?? '']));
}

interface Production {
  readonly name: string;
  /** Its directory of this machine. */
  readonly path: string;
}

function productionAt(house: House, index: number): Production {
  const datastore = house.stack.lab.ready.datastores[index];
  if (datastore === undefined) throw new Error(`the lab has no production datastore ${index + 1}`);
  return datastore;
}

export const production = (house: House): Production => productionAt(house, 0);
/** For disks that go elsewhere. */
export const otherProduction = (house: House): Production => productionAt(house, 1);

export const restoreFlags = (house: House, ...more: readonly string[]): string[] => [
  ...['restore', '--vault', house.vault, '--set', SET, '--vm', VM],
  ...house.targetFlags,
  ...['--passphrase-file', house.passphraseFile, '--datastore', production(house).name],
  ...more,
];

export async function restore(house: House, ...flags: readonly string[]): Promise<SessionStatus> {
  const last = await house.succeed(restoreFlags(house, ...flags));
  return last['session'] as SessionStatus;
}

/** The VM stands in its folder with the disks of the backup, and carries nothing of the session. */
export async function expectRestored(house: House, original: Original, status: SessionStatus): Promise<void> {
  const folder = status.vm?.name ?? '';
  const restored = await digestsOf(path.join(production(house).path, folder));
  expect(restored).toMatchObject(original.disks);
  await expectHandedOver(house, original, status, {});
}

/**
 * Every file of the VM lies in its folder, or where `apart` says by the name of a disk, and nothing of the session is
 * left.
 */
export async function expectHandedOver(
  house: House,
  original: Original,
  status: SessionStatus,
  apart: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = status.vm?.name ?? '';
  const vm = await vmNamed(house, folder);
  const files = [
    vm?.vmPathName ?? '',
    ...(vm?.disks ?? []).flatMap((disk) => [disk.fileName, ...disk.parents]),
  ];
  const names = [`${VM}.vmx`, `${VM}.vmdk`, `${VM}_1.vmdk`];
  const places = names.map((name) => `[${apart[name] ?? production(house).name}] ${folder}/${name}`);
  expect(files).toEqual(places);
  expect(vm?.extraConfig).not.toHaveProperty('uuid.action');
  expect(vm?.annotation).not.toContain('Run Direct');
  for (const { path: root } of [production(house), otherProduction(house)]) {
    const left = await readdir(path.join(root, folder)).catch(() => []);
    expect(left.filter((file) => file.includes('rundirect'))).toEqual([]);
  }
  expect(await leftovers(house.stack, status.sessionId)).toEqual([]);
  expect(await digestsOf(original.vm.folder)).toEqual(original.files);
}

/** Nothing at the target, nothing at the site, the original as it was. */
export async function expectNothing(
  house: House,
  original: Original,
  name: string,
  sessionId: string,
): Promise<void> {
  for (const { path: root } of [production(house), otherProduction(house)])
    expect(await readdir(root)).not.toContain(name);
  expect(await vmNamed(house, name)).toBeUndefined();
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
  expect(await digestsOf(original.vm.folder)).toEqual(original.files);
}

async function vmNamed({ stack }: House, name: string): Promise<Vm | undefined> {
  await using vsphere = await connect(stack.lab.ready);
  const [found] = await vsphere.findVmsByName(name);
  return found === undefined ? undefined : await vsphere.readVm(found.moref);
}

/** Takes a restored VM away again, with its files. */
export async function destroy({ stack }: House, { vm }: SessionStatus): Promise<void> {
  await using vsphere = await connect(stack.lab.ready);
  if (vm === undefined) throw new Error('the restore has no VM');
  await vsphere.powerOffVm(vm.moref);
  await vsphere.destroyVm(vm.moref);
}

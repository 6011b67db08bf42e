// What the tests share that take a VM to production: a guest with two disks that writes a numbered line every 100 ms all
// the way, and a look at all that must be true afterwards.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect } from 'vitest';
import type { FinalizeResult, SessionStatus } from '../../contract/index.ts';
import type { Guest } from '../../demo/guest.ts';
import type { House } from '../../demo/house.ts';
import { type LabVm, labVmByMoref } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import { counted, untilItWrote } from '../numbered-lines.ts';

export const SET = 'nightly';
export const VM = 'web01';
const LINE_EVERY_MS = 100;
export const STEP_LIMIT_MS = 120_000;
/** Slow enough for something to happen in the middle of a copy. */
const SLOW_BYTES_PER_SECOND = 2 << 20;
/** Where what is written to the second disk lies, before and while it is copied. */
const BEFORE_OFFSET = 4096;
const MEANWHILE_OFFSET = 1 << 20;

/** Backs up a VM with two disks, and destroys it. */
export async function prepareVm(house: House, secondDiskMiB = 8, set = SET): Promise<void> {
  const vm = await house.createVm(VM, { memoryMiB: 128, disks: [{ sizeMiB: secondDiskMiB }] });
  await house.backup(set, vm.folder);
  await vm.destroy();
}

export interface Crossing {
  readonly session: SessionStatus;
  /** As it is before it goes over. */
  readonly vm: LabVm;
  readonly guest: Guest;
  /** The datastore that it goes to, and its directory of this machine. */
  readonly production: Production;
  /** The one that its second disk goes to, where that is another. */
  readonly second?: Production;
}

interface Production {
  readonly name: string;
  readonly path: string;
}

/** A session whose guest writes, and has begun to. */
export async function startWriting(house: House, name: string, ...flags: string[]): Promise<Crossing> {
  const session = await house.start(SET, VM, '--network', 'disconnected', '--name', name, ...flags);
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  expect(await guest.boots()).toBe(1);
  await guest.writeDisk('sdb', BEFORE_OFFSET, 'before the copy');
  await guest.beginLog(LINE_EVERY_MS);
  await untilItWrote(guest, 3);
  const [production] = house.stack.lab.ready.datastores;
  if (production === undefined) throw new Error('the lab has no production datastore');
  return { session, vm, guest, production };
}

/** As before, and the second disk goes to the lab's second datastore. */
export function toTwoDatastores(house: House, crossing: Crossing): Crossing {
  const [, second] = house.stack.lab.ready.datastores;
  if (second === undefined) throw new Error('the lab has no second production datastore');
  return { ...crossing, second };
}

/** Where it goes, as a finalize is told. */
export function placeFlags({ production, second }: Crossing): string[] {
  const disk = second === undefined ? [] : ['--disk', `scsi0:1=${second.name}`];
  return ['--datastore', production.name, ...disk];
}

export async function finalize(
  house: House,
  crossing: Crossing,
  ...flags: string[]
): Promise<FinalizeResult> {
  const args = ['finalize', crossing.session.sessionId, ...placeFlags(crossing), ...flags];
  return (await house.succeed(args)) as unknown as FinalizeResult;
}

/** Begins to finalize, and returns in the middle of the copying, after a write that it can't see. */
export async function beginSlowly(house: House, crossing: Crossing, ...flags: string[]): Promise<void> {
  const { session, guest } = crossing;
  await house.stack.lab.ready.setStorageRate(SLOW_BYTES_PER_SECOND);
  await house.succeed(['finalize', session.sessionId, ...placeFlags(crossing), '--detach', ...flags]);
  await until(
    'the copying to be under way',
    STEP_LIMIT_MS,
    async () => ((await house.show(session.sessionId)).finalize?.percent ? true : undefined),
    COMMAND_EVERY_MS,
  );
  await guest.writeDisk('sdb', MEANWHILE_OFFSET, 'while it is copied');
}

/** The VM as it is registered now. */
export async function vmNow(house: House, { session }: Crossing): Promise<LabVm> {
  const { vm } = await house.show(session.sessionId);
  return labVmByMoref(house.stack.lab.ready, vm?.moref ?? '');
}

export interface Arrived {
  readonly boots: number;
  /** Something was written while the disks were copied. */
  readonly wroteMeanwhile: boolean;
  /** The second disk is too large to be read whole by the guest. */
  readonly isLarge?: boolean;
}

/** The VM lies in production alone, with every line that the guest acknowledged and every byte of both disks. */
export async function expectArrived(
  house: House,
  crossing: Crossing,
  { boots, wroteMeanwhile, isLarge = false }: Arrived,
): Promise<void> {
  const { session, production, second = production } = crossing;
  const { stack } = house;
  expect(await leftovers(stack, session.sessionId)).toEqual([]);
  const vm = await vmNow(house, crossing);
  await using vsphere = await connect(stack.lab.ready);
  const seen = await vsphere.readVm(vm.moref);
  const files = [
    seen?.vmPathName ?? '',
    ...(seen?.disks ?? []).flatMap((disk) => [disk.fileName, ...disk.parents]),
  ];
  const datastores = files.map((file) => /^\[(.+?)\] /.exec(file)?.[1]);
  expect(datastores).toEqual([production.name, production.name, second.name]);
  expect(seen?.snapshots).toEqual([]);
  expect(seen?.powerState).toBe('poweredOn');
  expect(seen?.extraConfig).not.toHaveProperty('uuid.action');
  expect(seen?.annotation).not.toContain('Run Direct');
  const folderOfSecond = path.join(second.path, path.basename(vm.folder));
  for (const folder of [vm.folder, folderOfSecond])
    expect((await readdir(folder)).filter((name) => /rundirect|0000|vmss/.test(name))).toEqual([]);
  await expectEveryLine(house, vm, boots);
  if (!isLarge) await expectEveryByte(vm, folderOfSecond, wroteMeanwhile);
  await vm.destroy();
}

async function expectEveryLine(house: House, vm: LabVm, boots: number): Promise<void> {
  const guest = await vm.guest();
  expect(await guest.boots()).toBe(boots);
  if (boots > 1) return;
  const acknowledged = await guest.endLog();
  const lines = await guest.log();
  expect(lines).toEqual(counted(acknowledged));
  // Without its cache: as it lies on production storage.
  await vm.powerOff();
  await expectNoQuestion(house, () => vm.powerOn());
  const after = await vm.guest();
  expect(await after.boots()).toBe(2);
  expect((await after.log()).slice(0, acknowledged)).toEqual(lines);
}

/** The host does not ask whether the VM was moved or copied. */
async function expectNoQuestion({ stack }: House, powerOn: () => Promise<void>): Promise<void> {
  const lab = stack.lab.ready;
  const before = (await lab.methodLog()).at(-1)?.sequence ?? 0;
  await powerOn();
  const calls = (await lab.methodLog(before)).map(({ method }) => method);
  expect(calls).toContain('PowerOnVM_Task');
  expect(calls).not.toContain('AnswerVM');
}

/** Nobody writes to the second disk any more: its file must be what the guest reads. */
async function expectEveryByte(vm: LabVm, folder: string, wroteMeanwhile: boolean): Promise<void> {
  const guest = await vm.guest();
  const read = async (offset: number, text: string): Promise<void> =>
    expect(await guest.readDisk('sdb', offset, text.length)).toBe(text);
  await read(BEFORE_OFFSET, 'before the copy');
  if (wroteMeanwhile) await read(MEANWHILE_OFFSET, 'while it is copied');
  const hash = createHash('sha256');
  const flats = (await readdir(folder)).filter((name) => name.endsWith('-flat.vmdk'));
  const second = flats.find((name) => name.includes('_1')) ?? flats.toSorted().at(-1) ?? '';
  await pipeline(createReadStream(path.join(folder, second)), hash);
  expect(hash.digest('hex')).toBe(await guest.sum('sdb'));
}

/** The guest goes on from the gateway as before, and writes. */
export async function expectRunsOn(house: House, crossing: Crossing): Promise<void> {
  const status = await house.show(crossing.session.sessionId);
  expect(status).toMatchObject({ state: 'running', powerState: 'poweredOn' });
  const vm = await vmNow(house, crossing);
  const guest = await vm.guest();
  expect(await guest.boots()).toBe(1);
  await untilItWrote(guest, 1);
  await using vsphere = await connect(house.stack.lab.ready);
  const seen = await vsphere.readVm(vm.moref);
  expect(seen?.snapshots).toEqual([]);
  expect(seen?.disks.flatMap(({ parents }) => parents)).toEqual([]);
  for (const { name } of house.stack.lab.ready.datastores)
    expect(await vsphere.listFolder(`[${name}] ${vm.name}`)).toBeUndefined();
}

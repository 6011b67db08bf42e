// That a VM has arrived in production as it was: asked of the guest while it runs, and read from its disks when it is
// off, by programs that know nothing of us (mtools reads the file system that the guest has written).
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { labVmByMoref } from '../../demo/lab-vm.ts';
import type { Lab } from '../../lab/lab.ts';
import { connect, type Vm } from '../../vsphere/index.ts';
import { linesOn } from '../numbered-lines.ts';

/** Names of datastores: of the .vmx and the first disk, and of the second one. */
export interface Places {
  readonly home: string;
  readonly second: string;
}

export interface Expected {
  readonly places: Places;
  /** The last line that the guest is known to have acknowledged. */
  readonly acknowledged: number;
  /** At the beginning of the second disk. */
  readonly pattern: string;
}

/** What was proven, in words; throws with what is not so. The VM is gone afterwards. */
export async function proveArrival(lab: Lab, moref: string, expected: Expected): Promise<string[]> {
  await using vsphere = await connect(lab);
  const seen = await vsphere.readVm(moref);
  if (seen === undefined) throw new Error(`VM ${moref} is not there`);
  expectThere(seen, expected.places);
  const vm = await labVmByMoref(lab, moref);
  const guest = await vm.guest();
  const boots = await guest.boots();
  if (boots === 1) await guest.endLog();
  const lines = await guest.log();
  expectLines(lines, expected.acknowledged);
  const head = await guest.readDisk('sdb', 0, expected.pattern.length);
  if (head !== expected.pattern) throw new Error(`the second disk begins with "${head}"`);
  const sum = await guest.sum('sdb');
  await guest.shutDown();
  await vm.waitForPower('poweredOff');
  await expectAtRest(lab, seen, lines, sum);
  await vsphere.destroyVm(moref);
  return [
    `${lines.length} lines, none missing up to ${expected.acknowledged} acknowledged`,
    boots === 1 ? 'no restart' : `booted ${boots - 1} time${boots === 2 ? '' : 's'}`,
    'disks at rest: log read by mtools, SHA-256 equal',
    'nothing left',
  ];
}

function expectThere(vm: Vm, { home, second }: Places): void {
  const files = [vm.vmPathName, ...vm.disks.flatMap(({ fileName, parents }) => [fileName, ...parents])];
  const elsewhere = files.filter((file, at) => !file.startsWith(`[${at === 2 ? second : home}] `));
  if (elsewhere.length > 0) throw new Error(`not where it was to go: ${elsewhere.join(', ')}`);
  if (files.length !== 1 + vm.disks.length) throw new Error(`its disks have layers: ${files.join(', ')}`);
  if (vm.annotation.includes('Run Direct') || 'uuid.action' in vm.extraConfig) {
    throw new Error('it carries the marks of the session');
  }
}

function expectLines(lines: readonly number[], acknowledged: number): void {
  const wrong = lines.find((line, index) => line !== index + 1);
  if (wrong !== undefined) throw new Error(`its log is broken at ${wrong}`);
  if (lines.length < acknowledged) {
    throw new Error(`its log has ${lines.length} lines, and ${acknowledged} were acknowledged`);
  }
}

async function expectAtRest(lab: Lab, vm: Vm, lines: readonly number[], sum: string): Promise<void> {
  const [boot = '', second = ''] = await Promise.all(vm.disks.map(({ fileName }) => bytesOf(lab, fileName)));
  const atRest = await linesOn(boot);
  if (atRest.join() !== lines.join()) throw new Error('its log at rest is not what the guest has read');
  const hash = createHash('sha256');
  await pipeline(createReadStream(second), hash);
  if (hash.digest('hex') !== sum) throw new Error('its second disk at rest is not what the guest has read');
}

/** The file of this machine that holds a disk's bytes, by its descriptor `[datastore] folder/name.vmdk`. */
async function bytesOf(lab: Lab, descriptor: string): Promise<string> {
  const [, datastore = '', inside = ''] = /^\[(.+?)\] (.+)$/.exec(descriptor) ?? [];
  const root = [...lab.datastores, ...lab.vsans].find(({ name }) => name === datastore)?.path ?? '';
  const file = path.join(root, inside);
  const [, extent = ''] = /^RW \d+ \w+ "(.+?)"/m.exec(await readFile(file, 'utf8')) ?? [];
  const object = /^vsan:\/\/(.+)$/.exec(extent)?.[1];
  return object === undefined
    ? path.join(path.dirname(file), extent)
    : path.join(lab.directory, 'objects', datastore, object);
}

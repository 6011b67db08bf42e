// From the backup to production without running: every byte is there, the VM boots, and nothing of the session is
// left. What fails or is stopped in the middle leaves nothing at all; what is killed goes on.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { BrowseStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import {
  destroy,
  digestsOf,
  expectHandedOver,
  expectNothing,
  expectRestored,
  type Original,
  otherProduction,
  prepareOriginal,
  production,
  restore,
  restoreFlags,
  SET,
  VM,
} from './restores.ts';
import { withHouse } from './with-house.ts';

const run = promisify(execFile);
const suite = withHouse({ model: 'esx' });
/** Slow enough for something to happen in the middle of a copy. */
const SLOW_BYTES_PER_SECOND = 1 << 20;
/** Slow enough, and soon over: whoever goes on with a copy has to wait for its end. */
const SLOWED_BYTES_PER_SECOND = 12 << 20;
const STEP_LIMIT_MS = 60_000;
let original: Original;

beforeAll(async () => {
  original = await prepareOriginal(suite.house);
});
afterEach(async () => {
  await suite.house.stack.lab.ready.setStorageRate(0);
  await suite.house.stack.lab.ready.clearFaults();
});

/** The second disk goes to another datastore than the rest. */
const apart = (): string[] => ['--disk', `scsi0:1=${otherProduction(suite.house).name}`];

async function begin(name: string, bytesPerSecond: number, ...flags: readonly string[]): Promise<string> {
  const { house } = suite;
  await house.stack.lab.ready.setStorageRate(bytesPerSecond);
  const begun = await house.succeed(restoreFlags(house, '--name', name, '--detach', ...flags));
  return begun['sessionId'] as string;
}

/** Begins one, and returns in the middle of a copy. */
async function beginSlowly(name: string, ...flags: readonly string[]): Promise<string> {
  const sessionId = await begin(name, SLOW_BYTES_PER_SECOND, ...flags);
  await until('a disk to be copied in part', STEP_LIMIT_MS, async () =>
    ((await suite.house.show(sessionId)).restore?.copiedBytes ?? 0) > 0 ? true : undefined,
  );
  return sessionId;
}

/** Returns when Temporal has what the copy that is under way leaves for whoever goes on with it. */
async function untilTaskIsLeft(sessionId: string): Promise<void> {
  const connection = await Connection.connect({ address: suite.house.stack.temporal.ready.address });
  onTestFinished(() => connection.close());
  const handle = new Client({ connection }).workflow.getHandle(sessionId);
  await until('the task of the copy to be left', STEP_LIMIT_MS, async () => {
    const { raw } = await handle.describe();
    const left = raw.pendingActivities?.some(({ heartbeatDetails }) =>
      heartbeatDetails?.payloads?.some(({ data }) => Buffer.from(data ?? []).includes('destination')),
    );
    return left === true ? true : undefined;
  });
}

test('a VM comes back to two datastores, boots, and nothing of the session is left', async () => {
  const { house } = suite;
  const flags = ['--name', 'back', '--power-on', '--network', 'disconnected', ...apart()];
  const status = await restore(house, ...flags);
  expect(status).toMatchObject({
    ...{ state: 'restored', status: 'OK', guest: 'ready', powerState: 'poweredOn' },
    restore: { location: `[${production(house).name}] back` },
  });
  const vm = await house.sessionVm(status);
  const guest = await vm.guest();
  expect(await guest.boots()).toBe(1);
  await guest.shutDown();
  await vm.waitForPower('poweredOff');
  const { name, path } = otherProduction(house);
  await expectHandedOver(house, original, status, { [`${VM}_1.vmdk`]: name });
  // The guest has not written to it.
  const second = `${VM}_1-flat.vmdk`;
  expect((await digestsOf(`${path}/back`))[second]).toBe(original.disks[second]);
  await destroy(house, status);
});

test('without power-on every byte is as it was backed up', async () => {
  const { house } = suite;
  const status = await restore(house, '--name', 'as-it-was', '--verify', 'before');
  expect(status).toMatchObject({ state: 'restored', status: 'OK', verify: { state: 'passed' } });
  await expectRestored(house, original, status);
  const { restore: done } = status;
  console.log(`restored ${done?.totalBytes} bytes in ${done?.copyMs} ms`);
  const listed = (await house.succeed(['sessions', '--all']))['sessions'] as { state: string }[];
  expect(listed.map(({ state }) => state)).toContain('restored');
  await destroy(house, status);
});

test('a worker that is killed in the middle of a copy: the next one goes on with it', async () => {
  const { house } = suite;
  const { worker } = house.stack.site;
  const before = (await house.stack.lab.ready.methodLog()).at(-1)?.sequence ?? 0;
  const sessionId = await begin('killed', SLOWED_BYTES_PER_SECOND);
  await untilTaskIsLeft(sessionId);
  await worker.kill('SIGKILL');
  await house.stack.lab.ready.setStorageRate(0);
  await worker.start();
  const status = await until('the restore to end', STEP_LIMIT_MS, async () => {
    const now = await house.showNow(sessionId);
    return now?.state === 'restored' ? now : undefined;
  });
  await expectRestored(house, original, status);
  // One for each disk: nothing was copied anew.
  const calls = await house.stack.lab.ready.methodLog(before);
  expect(calls.filter(({ method }) => method === 'CopyVirtualDisk_Task')).toHaveLength(2);
  await destroy(house, status);
});

test('a job’s disks are browsed read-only, and nothing of that is left', async () => {
  const { house } = suite;
  const source = [
    '--vault',
    house.vault,
    '--set',
    SET,
    '--vm',
    VM,
    '--passphrase-file',
    house.passphraseFile,
  ];
  const opened = (await house.succeed([
    'browse',
    'open',
    ...source,
    '--allow',
    '127.0.0.1',
  ])) as unknown as BrowseStatus;
  const { browseId, exported } = opened;
  const { host, path, ports, disks } = exported ?? { host: '', path: '', ports: undefined, disks: [] };
  expect(disks.map(({ partitions }) => partitions.length)).toEqual([1, 0]);
  const [boot] = disks;
  const url = (file: string): string =>
    `nfs://${host}${path}/${file}?version=3&nfsport=${ports?.nfs ?? 0}&mountport=${ports?.mount ?? 0}`;
  const { stdout } = await run('nfs-cat', [url(boot?.file ?? '')], {
    encoding: 'buffer',
    maxBuffer: 1 << 30,
  });
  expect(createHash('sha256').update(stdout).digest('hex')).toBe(original.disks[boot?.file ?? '']);
  // The boot sector of the guest's FAT stands where the partition is said to begin.
  const at = boot?.partitions[0]?.offsetBytes ?? 0;
  expect(stdout.subarray(at + 510, at + 512).toString('hex')).toBe('55aa');
  for (const target of [url(boot?.file ?? ''), url('new')]) {
    await expect(run('nfs-cp', [original.vm.folder + `/${VM}.vmx`, target])).rejects.toThrow(/ROFS/);
  }
  const listed = (await house.succeed(['browse', 'list']))['browses'];
  expect(listed).toMatchObject([{ browseId, vm: VM, state: 'open' }]);
  const shown = (await house.succeed(['browse', 'show', browseId])) as unknown as { commands: string[] };
  expect(shown.commands).toHaveLength(2);
  expect(await house.succeed(['browse', 'close', browseId])).toMatchObject({ state: 'closed' });
  await expect(run('nfs-ls', [url('')])).rejects.toThrow();
  expect(await leftovers(house.stack, browseId)).toEqual([]);
});

describe('nothing is left', () => {
  test('of one that is stopped in the middle of a copy', async () => {
    const { house } = suite;
    const sessionId = await beginSlowly('stopped', ...apart());
    expect(await house.succeed(['stop', sessionId])).toMatchObject({ state: 'cancelled' });
    await expectNothing(house, original, 'stopped', sessionId);
  });

  test('of one whose VM can’t be registered, after all was copied', async () => {
    const { house } = suite;
    const fault = { method: 'RegisterVM_Task', action: 'failTask', fault: 'FileFault', times: 1 } as const;
    await house.stack.lab.ready.addFault(fault);
    const flags = ['--name', 'failed', '--session', 'failed-1', ...apart()];
    const failed = await house.run(restoreFlags(house, ...flags));
    expect(failed.code).toBe(1);
    await expectNothing(house, original, 'failed', 'failed-1');
  });

  test('of one that finds its place taken: it is said at once, before anything is touched', async () => {
    const { house } = suite;
    await house.stack.lab.ready.setFreeSpace(production(house).name, 1024);
    const refused = await house.run(restoreFlags(house, '--session', 'taken'));
    await house.stack.lab.ready.setFreeSpace(production(house).name, undefined);
    const { error } = refused.documents.at(-1) as unknown as {
      error: { type: string; findings: { code: string; message: string }[] };
    };
    expect(refused.code).toBe(1);
    expect(error.findings.map(({ code }) => code).sort()).toEqual(['NameTaken', 'NameTaken', 'StorageFull']);
    expect(error.findings.find(({ message }) => message.includes('Folder'))?.message).toContain(`${VM}.vmx`);
  });
});

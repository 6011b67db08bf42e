// One disk of an older job for a VM that is there: byte for byte as it was backed up, whether the VM runs or not, and
// nothing of the session beside it. What fails or is stopped on the way leaves nothing at all.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import { digestsOf, type Original, prepareOriginal, SET, VM } from './restores.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const STEP_LIMIT_MS = 60_000;
/** How long a call is held back for what is to happen meanwhile. */
const KILL_WITHIN_MS = 3_000;
const STOP_WITHIN_MS = 15_000;
const SECOND = `${VM}_1-flat.vmdk`;
let original: Original;

beforeAll(async () => {
  original = await prepareOriginal(suite.house);
});
afterEach(() => suite.house.stack.lab.ready.clearFaults());

const flags = (...more: readonly string[]): string[] => [
  ...['restore', 'disk', '--vault', suite.house.vault, '--set', SET, '--vm', VM, '--disk', 'scsi0:1'],
  ...suite.house.targetFlags,
  ...['--passphrase-file', suite.house.passphraseFile, '--to-vm', VM],
  ...more,
];

/** Where the VM's disks hang, and their files. */
async function disksOf(): Promise<Record<string, string>> {
  await using vsphere = await connect(suite.house.stack.lab.ready);
  const vm = await vsphere.readVm(original.vm.moref);
  return Object.fromEntries((vm?.disks ?? []).map(({ node, fileName }) => [node ?? '', fileName]));
}

/** Holds the call that adds the disk back for so long, and returns when it was made. */
async function beginAndHold(sessionId: string, delayMs: number, ...more: readonly string[]): Promise<void> {
  const lab = suite.house.stack.lab.ready;
  const before = (await lab.methodLog()).at(-1)?.sequence ?? 0;
  await lab.addFault({ method: 'ReconfigVM_Task', action: 'delay', delayMs, times: 1 });
  await suite.house.succeed(flags('--session', sessionId, '--detach', ...more));
  await until('the VM to be reconfigured', STEP_LIMIT_MS, async () =>
    (await lab.methodLog(before)).some(({ method }) => method === 'ReconfigVM_Task') ? true : undefined,
  );
}

test('a worker that dies between the call and its answer: a VM that is off gets the disk once', async () => {
  const { house } = suite;
  const { worker } = house.stack.site;
  const [, other] = house.stack.lab.ready.datastores;
  await beginAndHold('killed', KILL_WITHIN_MS, '--datastore', other?.name ?? '');
  await worker.kill('SIGKILL');
  await worker.start();
  await until('the restore to end', STEP_LIMIT_MS, async () => {
    // Nobody answers while the worker comes up.
    const now = (await house.show('killed')) as SessionStatus | null;
    return now?.state === 'restored' ? now : undefined;
  });
  const added = Object.values(await disksOf()).filter((file) => file.includes('killed'));
  expect(added).toEqual([`[${other?.name}] ${VM}-killed/${VM}_1-killed.vmdk`]);
  const digests = await digestsOf(path.join(other?.path ?? '', `${VM}-killed`));
  expect(digests[`${VM}_1-killed-flat.vmdk`]).toBe(original.disks[SECOND]);
  expect(await leftovers(house.stack, 'killed')).toEqual([]);
});

test('a guest that runs gets the disk as it was at the job, beside the one that it got while it was off', async () => {
  const { house } = suite;
  const { vm } = original;
  await vm.powerOn();
  const guest = await vm.guest();
  expect(await guest.sum('sdc')).toBe(original.disks[SECOND]);
  await guest.writeDisk('sdb', 4096, 'after the backup');
  const done = (await house.succeed(flags('--session', 'hot')))['session'] as SessionStatus;
  const file = `[${house.stack.lab.ready.datastores[0]?.name}] ${VM}/${VM}_1-hot.vmdk`;
  expect(done).toMatchObject({
    ...{ state: 'restored', status: 'OK', progressPercent: 100 },
    restore: { location: file, toVm: { name: VM, node: 'scsi0:3' } },
  });
  expect(await disksOf()).toMatchObject({ 'scsi0:3': file });
  await until('the guest to see the disk', STEP_LIMIT_MS, () =>
    guest.sum('sdd').then(
      () => true,
      () => undefined,
    ),
  );
  expect(await guest.sum('sdd')).toBe(original.disks[SECOND]);
  expect(await guest.sum('sdb')).not.toBe(original.disks[SECOND]);
  expect(await guest.boots()).toBe(1);
  await guest.writeDisk('sdd', 0, 'it is the guest’s own');
  expect(await leftovers(house.stack, 'hot')).toEqual([]);
  await vm.powerOff();
});

test('nothing is left of one that is stopped while the VM is reconfigured, and of one that is refused there', async () => {
  const { house } = suite;
  const [before, files] = [await disksOf(), await readdir(original.vm.folder)];
  await beginAndHold('stopped', STOP_WITHIN_MS);
  expect(await house.succeed(['stop', 'stopped'])).toMatchObject({ state: 'cancelled' });
  await house.stack.lab.ready.addFault({
    ...{ method: 'ReconfigVM_Task', action: 'failTask', fault: 'GenericVmConfigFault', times: 1 },
  });
  const failed = await house.run(flags('--session', 'failed'));
  expect(failed.documents.at(-1)).toMatchObject({ error: { type: 'AttachFailed' } });
  expect(await disksOf()).toEqual(before);
  expect(await readdir(original.vm.folder)).toEqual(files);
  expect(await leftovers(house.stack)).toEqual([]);
});

test('all that stands in the way is said at once', async () => {
  const { house } = suite;
  const refused = await house.run(flags('--disk', 'scsi1:0', '--to-vm', 'nobody', '--session', 'refused'));
  const { error } = refused.documents.at(-1) as unknown as {
    error: { type: string; findings: { message: string }[] };
  };
  const words = error.findings.map(({ message }) => message);
  expect(words[0]).toContain(`scsi0:0 (${VM}.vmdk), scsi0:1 (${VM}_1.vmdk)`);
  expect(words[1]).toContain(`no VM nobody; it has ${VM}`);
});

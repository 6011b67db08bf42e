// A running session becomes a job of its backup set while its guest writes a numbered line all the time. Whoever runs
// from that job finds the lines up to some moment after the command, the guest never stands still, and a VM that has
// come to rest is kept bit by bit, as a foreign NFS client reads it.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import type { KeepResult, SessionStatus } from '../../contract/index.ts';
import { sha256 } from '../../demo/file-digests.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const run = promisify(execFile);
const [SET, VM] = ['nightly', 'web01'];
const LINE_EVERY_MS = 20;
/** A keep may not be noticed; this is what a busy machine makes of that. */
const MAX_GAP_MS = 1_000;
const LIMIT_MS = 60_000;
/** Where the guest's one partition begins. */
const PARTITION = 1024 * 1024;

beforeAll(async () => {
  const { house } = suite;
  const vm = await house.createVm(VM);
  await house.backup(SET, vm.folder);
  await vm.destroy();
});

async function keep(sessionId: string): Promise<KeepResult> {
  return (await suite.house.succeed(['keep', sessionId]))['result'] as KeepResult;
}

/** The disk of a session as libnfs reads it from the gateway. */
async function readDisk({ sessionId }: SessionStatus, name: string): Promise<string> {
  const { stack } = suite.house;
  await using vsphere = await connect(stack.lab.ready);
  const nas = (await vsphere.inventory()).datastores.find((each) => each.nas !== undefined)?.nas;
  if (nas === undefined) throw new Error('the target has no NFS datastore');
  const { nfsPort, mountPort } = stack.site;
  const query = `version=3&nfsport=${nfsPort}&mountport=${mountPort}`;
  const copy = path.join(stack.folder, `${name}.raw`);
  const from = `nfs://${nas.remoteHost}${nas.remotePath}/${sessionId}/${VM}-flat.vmdk?${query}`;
  await run('nfs-cp', [from, copy]);
  return copy;
}

/** The numbered lines in a disk's file system, read by mtools. */
async function linesOf(disk: string): Promise<number[]> {
  const { stdout } = await run('mcopy', ['-n', '-i', `${disk}@@${PARTITION}`, '::log.txt', '-']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

const counted = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('keeps what the guest has written, while it writes on', async () => {
  const { house } = suite;
  const { lab } = house.stack;
  const session = await house.start(SET, VM, '--name', 'runs-on', '--network', 'disconnected');
  const { sessionId, jobId: baseJobId } = session;
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  const acknowledgedBy = lab.ready.guest(vm.moref);
  await guest.beginLog(LINE_EVERY_MS);
  await until('its first lines', LIMIT_MS, async () => ((await guest.log()).length > 20 ? true : undefined));
  const before = (await acknowledgedBy.logged()).length;
  const keeping = keep(sessionId);
  let longestMs = 0;
  let [count, sinceMs, over] = [before, Date.now(), false];
  const ends = keeping.finally(() => {
    over = true;
  });
  while (!over) {
    const now = (await acknowledgedBy.logged()).length;
    if (now > count) [count, sinceMs] = [now, Date.now()];
    longestMs = Math.max(longestMs, Date.now() - sinceMs);
    await new Promise((resolve) => setTimeout(resolve, LINE_EVERY_MS / 2));
  }
  const kept = await ends;
  console.log(
    `keep: ${kept.durationMs} ms, read ${kept.readBytes}, stored ${kept.job.storedBytes} bytes; ` +
      `longest time without a line ${longestMs} ms`,
  );
  expect(longestMs).toBeLessThan(MAX_GAP_MS);
  expect(kept).toMatchObject({ sessionId, baseJobId, backupSet: SET, job: { keptFrom: { sessionId } } });
  const [set] = (await house.list()).backupSets;
  expect(set?.jobs.map(({ jobId, keptFrom }) => [jobId, keptFrom?.sessionId])).toEqual([
    [baseJobId, undefined],
    [kept.job.jobId, sessionId],
  ]);
  // Far less than the disk's 40 MiB.
  expect(kept.readBytes).toBeLessThan(4 * 1024 * 1024);

  // The session goes on as if nothing had been, and another runs from what was kept of it.
  const flags = ['--job', kept.job.jobId, '--name', 'from-kept', '--network', 'disconnected'];
  const other = await house.start(SET, VM, ...flags, '--no-power-on');
  const lines = await linesOf(await readDisk(other, 'kept'));
  expect(lines.length).toBeGreaterThanOrEqual(before);
  expect(lines).toEqual(counted(lines.length));
  const otherVm = await house.sessionVm(other);
  await otherVm.powerOn();
  const otherGuest = await otherVm.guest();
  expect(await otherGuest.log()).toEqual(lines);
  expect(await otherGuest.boots()).toBe(2);
  await house.stop(other.sessionId);
  expect(await house.show(sessionId)).toMatchObject({ state: 'running', keep: { outcome: 'done' } });
  const acknowledged = await guest.endLog();
  expect(acknowledged).toBeGreaterThan(lines.length);
  expect(await guest.log()).toEqual(counted(acknowledged));
  expect(await guest.boots()).toBe(1);

  // At rest there is one state alone. The base is the session's job still, although the set has a newer one.
  await guest.shutDown();
  await vm.waitForPower('poweredOff');
  const atRest = await keep(sessionId);
  expect(atRest.baseJobId).toBe(baseJobId);
  const copy = await house.start(SET, VM, '--name', 'copy', '--no-power-on', '--network', 'disconnected');
  expect(copy.jobId).toBe(atRest.job.jobId);
  const [ours, theirs] = [await readDisk(session, 'session'), await readDisk(copy, 'copy')];
  expect(await sha256(theirs)).toBe(await sha256(ours));
  expect(await linesOf(theirs)).toEqual(counted(acknowledged));
  await house.stop(copy.sessionId);
  await house.stop(sessionId);
  expect(await leftovers(house.stack)).toEqual([]);
});

test('says at once why a session is not kept', async () => {
  const { house } = suite;
  const session = await house.start(
    SET,
    VM,
    '--name',
    'snapped',
    '--no-power-on',
    '--network',
    'disconnected',
  );
  const { sessionId } = session;
  const refused = await house.run(['keep', sessionId, '--cancel']);
  expect(refused.documents.at(-1)).toMatchObject({ error: { type: 'NotKeeping' } });
  await using vsphere = await connect(house.stack.lab.ready);
  await vsphere.createSnapshot(session.vm?.moref ?? '', {
    name: 'before the update',
    description: '',
    memory: false,
    quiesce: false,
  });
  const snapped = await house.run(['keep', sessionId]);
  expect(snapped.code).toBe(1);
  expect(snapped.documents.at(-1)).toMatchObject({
    error: { type: 'NotSupported', message: expect.stringContaining('snapshot') as string },
  });
  expect(await house.show(sessionId)).toMatchObject({ state: 'running', keep: { outcome: 'failed' } });
  await house.stop(sessionId);
  const gone = await house.run(['keep', sessionId]);
  expect(gone.documents.at(-1)).toMatchObject({ error: { type: 'SessionEnded' } });
});

// A running session becomes a job of its backup set while its guest writes a numbered line all the time. Whoever runs
// from that job finds the lines up to some moment after the command, the guest never stands still, and a VM that has
// come to rest is kept bit by bit, as a foreign NFS client reads it.
import { beforeAll, expect, test } from 'vitest';
import type { KeepResult, SessionStatus } from '../../contract/index.ts';
import { sha256 } from '../../demo/file-digests.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';
import { counted, linesOn, untilItWrote, watchLines } from '../numbered-lines.ts';
import { copyOut } from './foreign-client.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const [SET, VM] = ['nightly', 'web01'];
const LINE_EVERY_MS = 20;
/** A keep may not be noticed; this is what a busy machine makes of that. */
const MAX_GAP_MS = 1_000;

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
const readDisk = ({ sessionId }: SessionStatus, name: string): Promise<string> =>
  copyOut(suite.house, `${sessionId}/${VM}-flat.vmdk`, `${name}.raw`);

test('keeps what the guest has written, while it writes on', async () => {
  const { house } = suite;
  const { lab } = house.stack;
  const session = await house.start(SET, VM, '--name', 'runs-on', '--network', 'disconnected');
  const { sessionId, jobId: baseJobId } = session;
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  await guest.beginLog(LINE_EVERY_MS);
  await untilItWrote(guest, 21);
  const before = (await lab.ready.guest(vm.moref).logged()).length;
  const keeping = keep(sessionId);
  const { longestPauseMs } = await watchLines(lab.ready, vm.moref, keeping);
  const kept = await keeping;
  console.log(
    `keep: ${kept.durationMs} ms, read ${kept.readBytes}, stored ${kept.job.storedBytes} bytes; ` +
      `longest time without a line ${longestPauseMs} ms`,
  );
  expect(longestPauseMs).toBeLessThan(MAX_GAP_MS);
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
  const lines = await linesOn(await readDisk(other, 'kept'));
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
  expect(await linesOn(theirs)).toEqual(counted(acknowledged));
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

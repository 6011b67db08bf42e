// Keeps of half a gibibyte of changes, while the guest writes numbered lines and overwrites what is being kept: how
// long it stands still at most; and a worker or a gateway that is killed in the middle of it. Each keep becomes one
// job, which verifies and holds a prefix of the lines, with all that were acknowledged before the command.
import { beforeAll, expect, test } from 'vitest';
import type { KeepStatus, SessionStatus } from '../../contract/index.ts';
import type { Guest } from '../../demo/guest.ts';
import type { LabVm } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { copyOut } from '../e2e/foreign-client.ts';
import { withHouse } from '../e2e/with-house.ts';
import { counted, linesOn, watchLines } from '../numbered-lines.ts';

const suite = withHouse({ model: 'esx' });
const [SET, VM] = ['nightly', 'web01'];
const MIB = 1024 * 1024;
const DISK_MIB = 1024;
const CHANGED_MIB = 512;
const LINE_EVERY_MS = 20;
const LIMIT_MS = 600_000;
/** On a machine that others use, too. */
const MAX_GAP_MS = 2_000;
/** Finds the disk that is not the guest's own. */
const FIND = `d=; for b in /sys/block/sd*; do [ $(cat $b/size) = ${DISK_MIB * 2048} ] && d=/dev/\${b##*/}; done`;

let session: SessionStatus;
let vm: LabVm;
let guest: Guest;

async function shell(command: string): Promise<void> {
  const { lab } = suite.house.stack;
  const answer = await lab.ready.guest(vm.moref).command(`SHELL ${command}`, { timeoutMs: LIMIT_MS });
  expect(answer).toMatch(/^EXIT 0/);
}

const acknowledged = async (): Promise<number> =>
  (await suite.house.stack.lab.ready.guest(vm.moref).logged()).length;

beforeAll(async () => {
  const { house } = suite;
  const original = await house.createVm(VM, { disks: [{ sizeMiB: DISK_MIB }] });
  await house.backup(SET, original.folder);
  await original.destroy();
  session = await house.start(SET, VM, '--name', 'kept', '--network', 'disconnected');
  vm = await house.sessionVm(session);
  guest = await vm.guest();
  await shell(`${FIND}; dd if=/dev/urandom of=$d bs=1M count=${CHANGED_MIB} conv=notrunc,fsync 2>/dev/null`);
  await guest.beginLog(LINE_EVERY_MS);
  // Overwrites a mebibyte here and there, as long as the test runs.
  const place = `$(($(hexdump -n 2 -e '1/2 "%u"' /dev/urandom) % ${CHANGED_MIB}))`;
  const overwrite = `dd if=/dev/urandom of=$d bs=1M count=1 seek=${place} conv=notrunc,fsync 2>/dev/null`;
  await shell(`${FIND}; (while :; do ${overwrite}; usleep 200000; done) </dev/null >/dev/null 2>&1 &`);
});

/** The longest that the guest stands still until `done`, in milliseconds. */
const longestGap = async (done: Promise<unknown>): Promise<number> =>
  (await watchLines(suite.house.stack.lab.ready, vm.moref, done)).longestPauseMs;

/** Begins a keep, does `amidst` when some of it is done, and answers how it ended. */
async function keepAmidst(amidst: () => Promise<void>): Promise<KeepStatus> {
  const { house } = suite;
  const { sessionId } = session;
  await house.succeed(['keep', sessionId, '--detach']);
  // A worker that was killed answers nothing while it comes up.
  const keepNow = async (): Promise<KeepStatus | undefined> => (await house.showNow(sessionId))?.keep;
  await until('some of it to be done', LIMIT_MS, async () =>
    ((await keepNow())?.doneBytes ?? 0) > 0 ? true : undefined,
  );
  await amidst();
  return until('the keep to end', LIMIT_MS, async () => {
    const keep = await keepNow();
    return keep !== undefined && keep.outcome !== 'underWay' ? keep : undefined;
  });
}

/** The job is whole, and its guest's lines are the first ones, `atLeast` of them. */
async function expectPrefix(jobId: string, atLeast: number): Promise<void> {
  const { house } = suite;
  const flags = ['--job', jobId, '--name', 'from-kept', '--no-power-on', '--network', 'disconnected'];
  const from = await house.start(SET, VM, ...flags, '--verify', 'before');
  expect(from).toMatchObject({ status: 'OK', verify: { state: 'passed' } });
  const lines = await linesOn(await copyOut(house, `${from.sessionId}/${VM}-flat.vmdk`, `${jobId}.raw`));
  expect(lines.length).toBeGreaterThanOrEqual(atLeast);
  expect(lines).toEqual(counted(lines.length));
  await house.stop(from.sessionId);
}

test('a keep costs what changed, and the guest does not stand still for it', async () => {
  const { house } = suite;
  // What the machine makes of it anyhow.
  const usualMs = await longestGap(new Promise((resolve) => setTimeout(resolve, 20_000)));
  const before = await acknowledged();
  const keeping = house.succeed(['keep', session.sessionId]);
  const gapMs = await longestGap(keeping);
  const { job, readBytes, durationMs } = (await keeping)['result'] as {
    readonly job: { readonly jobId: string; readonly storedBytes: number };
    readonly readBytes: number;
    readonly durationMs: number;
  };
  console.log(
    `${(readBytes / MIB).toFixed(0)} MiB of ${DISK_MIB + 40} read, ${(job.storedBytes / MIB).toFixed(0)} stored in ` +
      `${durationMs} ms; longest time without a line ${gapMs} ms, ${usualMs} ms without a keep`,
  );
  expect(readBytes).toBeGreaterThanOrEqual(CHANGED_MIB * MIB);
  expect(readBytes).toBeLessThan((CHANGED_MIB + 16) * MIB);
  expect(gapMs).toBeLessThan(MAX_GAP_MS);
  await expectPrefix(job.jobId, before);
});

test.for(['worker', 'gateway'] as const)('a %s that is killed in the middle costs a while', async (which) => {
  const { house } = suite;
  const known = (await house.list()).backupSets[0]?.jobs.length ?? 0;
  const before = await acknowledged();
  const keep = await keepAmidst(async () => {
    const killed = house.stack.site[which];
    await killed.kill('SIGKILL');
    // Half a job is no job.
    if (which === 'gateway') expect((await house.list()).backupSets[0]?.jobs).toHaveLength(known);
    await killed.start();
  });
  expect(keep).toMatchObject({ outcome: 'done' });
  const jobs = (await house.list()).backupSets[0]?.jobs ?? [];
  expect(jobs).toHaveLength(known + 1);
  expect(jobs.at(-1)?.jobId).toBe(keep.jobId);
  await expectPrefix(keep.jobId ?? '', before);
});

test('a keep that is cancelled leaves no job, and the session runs on to its end', async () => {
  const { house } = suite;
  const { sessionId } = session;
  const known = (await house.list()).backupSets[0]?.jobs.length;
  const refused: unknown[] = [];
  const keep = await keepAmidst(async () => {
    refused.push((await house.run(['stop', sessionId])).documents.at(-1));
    await house.succeed(['keep', sessionId, '--cancel']);
  });
  expect(refused).toMatchObject([{ error: { type: 'AlreadyKeeping' } }]);
  expect(keep).toMatchObject({ outcome: 'cancelled' });
  expect((await house.list()).backupSets[0]?.jobs).toHaveLength(known ?? 0);
  const lines = await guest.endLog();
  expect(await guest.boots()).toBe(1);
  expect(await guest.log()).toEqual(counted(lines));
  await house.stop(sessionId);
  expect(await leftovers(house.stack)).toEqual([]);
});

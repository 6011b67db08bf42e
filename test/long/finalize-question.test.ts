// A guest that has used up the space for its changes in the middle of its way to production: it stands still, the host's
// question is shown and answered in the session, wherever the VM is by then, and the finalize goes on.
import { randomBytes } from 'node:crypto';
import { appendFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { HostQuestion, SessionStatus } from '../../contract/index.ts';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { type Crossing, expectArrived, expectRunsOn, prepareVm, startWriting } from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'esx' });
const MIB = 2 ** 20;
const DATA_MIB = 96;
const LIMIT_MS = 240_000;
/** The least that a session gets is 64 MiB; a suspended guest's memory gets more. */
const RESERVE_FACTOR = '0.01';
const CHUNK_BYTES = 2 * MIB;
const MAX_CHUNKS = 256;
const WRITTEN_MIB = 24;
/** A copy, or a merge of what the guest wrote, takes half a minute. */
const SLOW_BYTES_PER_SECOND = 1 * MIB;

beforeAll(() => prepareVm(suite.house, DATA_MIB));
afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

const begin = (name: string): Promise<Crossing> =>
  startWriting(suite.house, name, '--reserve-factor', RESERVE_FACTOR);

async function order({ session, production }: Crossing): Promise<void> {
  const way = ['--datastore', production.name, '--vmotion', 'short-outage'];
  await suite.house.succeed(['finalize', session.sessionId, ...way, '--detach']);
}

/** Fills all the space that the session has, with a file in its directory. */
async function fillUp({ vm }: Crossing): Promise<string> {
  const file = path.join(vm.folder, 'in-the-way');
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    try {
      await appendFile(file, randomBytes(CHUNK_BYTES));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
      return file;
    }
  }
  throw new Error(`${MAX_CHUNKS * CHUNK_BYTES} bytes did not fill the session up`);
}

/** Overwrites the second disk, which is the one of that size, from a mebibyte on. */
function write({ session }: Crossing, fromMib: number): Promise<string> {
  return suite.house.stack.lab.ready
    .guest(session.vm?.name ?? '')
    .command(
      `SHELL cd /sys/block; for d in sd*; do [ $(cat $d/size) = ${DATA_MIB * 2048} ] && dd if=/dev/urandom ` +
        `of=/dev/$d bs=1M count=${WRITTEN_MIB} seek=${fromMib} conv=notrunc,fsync 2>/dev/null; done; true`,
      { timeoutMs: LIMIT_MS },
    );
}

const whenShown = <T>({ session }: Crossing, what: string, look: (status: SessionStatus) => T | undefined) =>
  until(what, LIMIT_MS, async () => look(await suite.house.show(session.sessionId)), COMMAND_EVERY_MS);

async function asked(crossing: Crossing): Promise<HostQuestion> {
  const question = await whenShown(crossing, 'a question', (status) => {
    if (status.question !== undefined) expect(status.state).toBe('finalizing');
    return status.question;
  });
  expect(question.text).toContain('There is no more space for virtual disk');
  return question;
}

const copying = ({ finalize }: SessionStatus): true | undefined => (finalize?.percent ? true : undefined);
const merging = ({ step }: SessionStatus): true | undefined =>
  step === 'merge the changes in production' ? true : undefined;

/** The guest asks for want of space, is answered when there is some, and writes on. */
async function askAndAnswer(crossing: Crossing, fromMib: number): Promise<void> {
  const inTheWay = await fillUp(crossing);
  const writing = write(crossing, fromMib);
  await asked(crossing);
  await rm(inTheWay);
  await suite.house.succeed(['answer', crossing.session.sessionId, 'Retry']);
  expect(await writing).toMatch(/^EXIT 0/);
}

test.each([
  ['copied', false],
  ['merged in production', true],
] as const)('while its disks are %s, the guest asks, is answered, and arrives', async (_, inProduction) => {
  const { house } = suite;
  const crossing = await begin(inProduction ? 'asks-there' : 'asks-here');
  const { sessionId } = crossing.session;
  await house.stack.lab.ready.setStorageRate(SLOW_BYTES_PER_SECOND);
  await order(crossing);
  await whenShown(crossing, 'the disks to be copied', copying);
  if (inProduction) {
    expect(await write(crossing, 1)).toMatch(/^EXIT 0/);
    await whenShown(crossing, 'the disks to be merged', merging);
  }
  await askAndAnswer(crossing, 1 + WRITTEN_MIB);
  await house.stack.lab.ready.setStorageRate(0);
  await whenShown(crossing, 'the session to end', ({ state }) => (state === 'finalized' ? true : undefined));
  expect(await house.show(sessionId)).toMatchObject({ status: 'OK', finalize: { mode: 'shortOutage' } });
  await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: false });
});

test('a finalize that is called off with a question open ends when that is answered', async () => {
  const { house } = suite;
  const crossing = await begin('asks-and-goes-back');
  const { sessionId } = crossing.session;
  await house.stack.lab.ready.setStorageRate(SLOW_BYTES_PER_SECOND);
  await order(crossing);
  await whenShown(crossing, 'the disks to be copied', copying);
  const inTheWay = await fillUp(crossing);
  const writing = write(crossing, 1);
  await asked(crossing);
  const cancelling = house.succeed(['finalize', sessionId, '--cancel'], { limitMs: LIMIT_MS });
  await rm(inTheWay);
  await house.succeed(['answer', sessionId, 'Retry']);
  expect(await cancelling).toMatchObject({ state: 'running' });
  expect(await writing).toMatch(/^EXIT 0/);
  await expectRunsOn(house, crossing);
  await house.stop(sessionId);
});

// A live migration through a vCenter in whose middle something is lost: it completes, and the guest did not stand
// still for it, because it is the target that migrates.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { beginSlowly, expectArrived, prepareVm, startWriting } from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';
import { watchLines } from '../numbered-lines.ts';
import { MISHAPS, type Mishaps, openMishaps } from './mishaps.ts';

const suite = withHouse({ model: 'vcenter' });
const END_LIMIT_MS = 300_000;
/** A guest that is migrated live pauses for less than that. */
const MAX_PAUSE_MS = 2_000;

let mishaps: Mishaps;

beforeAll(async () => {
  await prepareVm(suite.house);
  mishaps = await openMishaps(suite.house);
});
afterAll(() => mishaps[Symbol.asyncDispose]());
afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

test.each(MISHAPS)('%s, lost in the middle of it', async (what) => {
  const { house } = suite;
  const { lab } = house.stack;
  const crossing = await startWriting(house, what.replaceAll(' ', '-').toLowerCase(), ...mishaps.flags);
  const { sessionId } = crossing.session;
  await beginSlowly(house, crossing);
  const strikeAndEnd = async (): Promise<void> => {
    await mishaps.strike(what);
    await lab.ready.setStorageRate(0);
    await until(
      'the session to end',
      END_LIMIT_MS,
      async () => ((await house.showNow(sessionId))?.state === 'finalized' ? true : undefined),
      COMMAND_EVERY_MS,
    );
  };
  const ended = strikeAndEnd();
  const { longestPauseMs } = await watchLines(lab.ready, crossing.vm.moref, ended);
  await ended;
  console.log(`${what} lost: finalized; the guest's longest pause was ${longestPauseMs} ms`);
  expect((await house.show(sessionId)).finalize).toMatchObject({ mode: 'live', guestAwayMs: 0 });
  // A gateway that is away answers no write for as long as it takes to come back.
  if (what !== 'gateway') expect(longestPauseMs).toBeLessThan(MAX_PAUSE_MS);
  await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: true });
});

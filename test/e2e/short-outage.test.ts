// From the backup to production on a host alone, which migrates nothing itself, with a guest that writes all the way:
// it is away for the time of a suspend and a resume, every line that it has acknowledged is there, it never restarts,
// and nothing of the session is left. What is called off, or dies on the way, changes nothing of that, whether its disks
// go to one datastore or to two.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import {
  beginSlowly,
  expectArrived,
  expectRunsOn,
  finalize,
  prepareVm,
  STEP_LIMIT_MS,
  startWriting,
  toTwoDatastores,
} from './crossings.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
/** Suspending, going over and resuming a small guest on a busy machine. */
const MAX_AWAY_MS = 30_000;

beforeAll(() => prepareVm(suite.house));
afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

describe('a short outage', () => {
  test('to two datastores is called off in the middle, and then takes the guest over with every line', async () => {
    const { house } = suite;
    const crossing = toTwoDatastores(house, await startWriting(house, 'over'));
    const { sessionId } = crossing.session;
    await beginSlowly(house, crossing);
    expect(await house.succeed(['finalize', sessionId, '--cancel'])).toMatchObject({ state: 'running' });
    await expectRunsOn(house, crossing);
    await house.stack.lab.ready.setStorageRate(0);
    const result = await finalize(house, crossing);
    const { guestAwayMs = 0, durationMs } = result;
    console.log(`short outage: the guest was away for ${guestAwayMs} ms of ${durationMs} ms`);
    expect(result).toMatchObject({ state: 'finalized', mode: 'shortOutage' });
    expect(guestAwayMs).toBeGreaterThan(0);
    expect(guestAwayMs).toBeLessThan(MAX_AWAY_MS);
    expect(await house.show(sessionId)).toMatchObject({
      ...{ state: 'finalized', status: 'OK', progressPercent: 100 },
      finalize: { outcome: 'done', mode: 'shortOutage', guestAwayMs },
    });
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: true });
  });

  test('goes on after its worker was killed in the middle of it', async () => {
    const { house } = suite;
    const { worker } = house.stack.site;
    const crossing = await startWriting(house, 'killed');
    await beginSlowly(house, crossing);
    await worker.kill('SIGKILL');
    await house.stack.lab.ready.setStorageRate(0);
    await worker.start();
    await until(
      'the session to end',
      STEP_LIMIT_MS,
      async () =>
        (await house.showNow(crossing.session.sessionId))?.state === 'finalized' ? true : undefined,
      COMMAND_EVERY_MS,
    );
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: true });
  });
});

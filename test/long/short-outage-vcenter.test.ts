// Through a vCenter whose hosts may not move machines that run: by itself a finalize then takes the short outage, and
// says why it is not live; cold, the guest is shut down, relocated and booted.
import { beforeAll, expect, test } from 'vitest';
import { expectArrived, finalize, prepareVm, startWriting } from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });

beforeAll(async () => {
  await prepareVm(suite.house);
  await suite.house.stack.lab.ready.setVMotion(false);
});

test('a guest is taken over with a short outage where there is no vMotion', async () => {
  const { house } = suite;
  const crossing = await startWriting(house, 'unmoved');
  const result = await finalize(house, crossing);
  console.log(
    `through a vCenter without vMotion: away for ${result.guestAwayMs} ms of ${result.durationMs} ms`,
  );
  expect(result).toMatchObject({ state: 'finalized', mode: 'shortOutage' });
  const { log } = await house.show(crossing.session.sessionId);
  expect(log.some(({ message }) => message.startsWith('Not live: '))).toBe(true);
  await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: false });
});

test('cold, a guest is shut down, relocated and booted', async () => {
  const { house } = suite;
  const crossing = await startWriting(house, 'chilled');
  const result = await finalize(house, crossing, '--vmotion', 'cold');
  expect(result).toMatchObject({ state: 'finalized', mode: 'cold' });
  expect(result.guestAwayMs).toBeGreaterThan(0);
  await expectArrived(house, crossing, { boots: 2, wroteMeanwhile: false });
});

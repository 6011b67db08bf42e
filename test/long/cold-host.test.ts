// Cold on a host alone: the guest is shut down, its disks are copied by the session, and it boots in production.
import { beforeAll, expect, test } from 'vitest';
import { expectArrived, finalize, prepareVm, startWriting } from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'esx' });
beforeAll(() => prepareVm(suite.house));

test('cold, a guest is shut down, copied and booted', async () => {
  const { house } = suite;
  const crossing = await startWriting(house, 'cold');
  const result = await finalize(house, crossing, '--vmotion', 'cold');
  expect(result).toMatchObject({ state: 'finalized', mode: 'cold' });
  expect(result.guestAwayMs).toBeGreaterThan(0);
  await expectArrived(house, crossing, { boots: 2, wroteMeanwhile: false });
});

// A short outage takes as long as a suspend and a resume, however large the disks are: 1 GiB and 8 GiB, beside each
// other. The disks are sparse, so that it is the size that differs and not the data.
import { expect, test } from 'vitest';
import { expectArrived, finalize, prepareVm, startWriting } from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'esx' });
const SIZES_MIB = [1024, 8192];
/** On a machine that does other things, too. */
const MAX_RATIO = 3;

test('the outage does not depend on the size of the disks', async () => {
  const { house } = suite;
  const away: number[] = [];
  for (const sizeMiB of SIZES_MIB) {
    const set = `disks-${sizeMiB}`;
    await prepareVm(house, sizeMiB, set);
    const crossing = await startWriting(
      house,
      `size${sizeMiB}`,
      '--set',
      set,
      '--reserve-factor',
      '0.1',
      '--verify',
      'none',
    );
    const { guestAwayMs = 0, durationMs } = await finalize(house, crossing);
    console.log(`${sizeMiB} MiB: the guest was away for ${guestAwayMs} ms of ${durationMs} ms`);
    away.push(guestAwayMs);
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: false, isLarge: true });
  }
  const [small = 0, large = 0] = away;
  expect(large).toBeLessThan(MAX_RATIO * small);
});

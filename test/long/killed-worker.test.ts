import { afterEach, beforeAll, expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { killAtRandom, prepareVm } from '../e2e/killed-worker.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'esx' });
beforeAll(() => prepareVm(suite.house));

afterEach(async () => {
  expect(await leftovers(suite.house.stack)).toEqual([]);
});

test('a worker that is killed at a random moment of a start, 10 times', async () => {
  for (let round = 1; round <= 10; round += 1) {
    await killAtRandom(suite.house);
    expect(await leftovers(suite.house.stack)).toEqual([]);
  }
});

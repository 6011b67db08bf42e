// A session whose changes go to a production datastore, and whose worker is killed at random moments of its start: it
// comes to run, or nothing of it is left, there neither.
import { afterEach, beforeAll, expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { killAtRandom, prepareVm } from '../e2e/killed-worker.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'esx' });
const ROUNDS = 10;
const CHANGES = ['--changes', 'datastore:datastore2'];

beforeAll(() => prepareVm(suite.house));
afterEach(async () => {
  expect(await leftovers(suite.house.stack)).toEqual([]);
});

test(`a worker that is killed at a random moment of a start, ${ROUNDS} times`, async () => {
  for (let round = 1; round <= ROUNDS; round += 1) {
    await killAtRandom(suite.house, ...CHANGES);
    expect(await leftovers(suite.house.stack)).toEqual([]);
  }
});

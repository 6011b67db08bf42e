// A terminated session on a vCenter whose changes go to a production datastore: a clean-up takes their folder, too.
import { beforeAll, expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { prepareVm, SET, VM } from '../e2e/killed-worker.ts';
import { errorOf, orphansOf, terminate } from '../e2e/terminated.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });

beforeAll(() => prepareVm(suite.house));

test('it is listed, its guest is powered off once that is said, and nothing of it is left', async () => {
  const { house } = suite;
  const { sessionId } = await house.start(SET, VM, '--changes', 'datastore:datastore2');
  await terminate(house, sessionId);
  expect(await orphansOf(house)).toMatchObject([{ sessionId, ended: 'terminated', state: 'running' }]);
  expect(await errorOf(house, ['clean-up', sessionId])).toMatchObject({ type: 'GuestRuns' });
  expect(await leftovers(house.stack)).toContain(`folder [datastore2] rundirect-${sessionId}`);
  await house.succeed(['clean-up', sessionId, '--power-off']);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

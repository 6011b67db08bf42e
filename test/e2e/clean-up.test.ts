// Sessions whose Workflow somebody terminated: they are listed, and one command removes each with all that it left; never
// a guest that runs unless that is said, never a session that goes on.
import { beforeAll, expect, test } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { prepareVm, SET, VM } from './killed-worker.ts';
import { errorOf, orphansOf, terminate, terminatedStart } from './terminated.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });

beforeAll(() => prepareVm(suite.house));

test('a session that is terminated while its guest runs is removed whole, once that is said', async () => {
  const { house } = suite;
  const { sessionId } = await house.start(SET, VM);
  expect(await orphansOf(house)).toEqual([]);
  expect(await errorOf(house, ['clean-up', sessionId])).toMatchObject({ type: 'SessionRuns' });

  await terminate(house, sessionId);
  const [orphan, ...others] = await orphansOf(house);
  expect(others).toEqual([]);
  expect(orphan).toMatchObject({ sessionId, vm: VM, ended: 'terminated', state: 'running' });
  expect(orphan?.changesBytes).toBeGreaterThan(0);

  expect(await errorOf(house, ['clean-up', sessionId])).toMatchObject({ type: 'GuestRuns' });
  expect(await leftovers(house.stack)).toHaveLength(4);
  const { session } = await house.succeed(['clean-up', sessionId, '--power-off']);
  expect(session).toMatchObject({ state: 'stopped', status: 'OK' } satisfies Partial<SessionStatus>);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
  expect(await orphansOf(house)).toEqual([]);
  expect(await errorOf(house, ['clean-up', sessionId])).toMatchObject({ type: 'NothingLeft' });
});

test('one that is terminated in the middle of its start is removed, with a password that is given anew', async () => {
  const { house } = suite;
  const sessionId = await terminatedStart(house);
  const given = ['--password-file', house.passwordFile];
  await house.succeed(['clean-up', sessionId, '--power-off', ...given]);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

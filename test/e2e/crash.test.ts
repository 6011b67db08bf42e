// Processes that die in the middle: nothing that was promised is lost, and nothing is left over.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { endWell, killAtRandom, prepareVm, SET, VM } from './killed-worker.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const STEP_LIMIT_MS = 60_000;

beforeAll(() => prepareVm(suite.house));

afterEach(async () => {
  expect(await leftovers(suite.house.stack)).toEqual([]);
});

test('the worker is killed at a random moment of a start', () => killAtRandom(suite.house));

describe('the worker is killed between a call and its answer', () => {
  test.for(['CreateNasDatastore', 'RegisterVM_Task', 'PowerOnVM_Task'])('%s', async (method) => {
    const { house } = suite;
    const { worker } = house.stack.site;
    const lab = house.stack.lab.ready;
    // Performed, and never answered: who asked can't know.
    await lab.addFault({ method, action: 'drop', times: 1 });
    const begun = await house.succeed([...house.startFlags(SET, VM), '--detach']);
    await until(`${method} to be performed`, STEP_LIMIT_MS, async () =>
      (await lab.faults()).length === 0 ? true : undefined,
    );
    await worker.kill('SIGKILL');
    await worker.start();
    await endWell(house, begun['sessionId'] as string);
  });
});

test('Temporal is killed while a start is followed: who follows is told, waits, and sees it run', async () => {
  const { house } = suite;
  const { temporal } = house.stack;
  const mounted = Promise.withResolvers<undefined>();
  const following = house.succeed(house.startFlags(SET, VM), {
    onLine: (line) => {
      if (line.includes('is mounted on host')) mounted.resolve(undefined);
    },
  });
  await Promise.race([mounted.promise, following]);
  await temporal.kill('SIGKILL');
  await temporal.start();
  const status = (await following)['session'] as SessionStatus;
  expect(status.state).toBe('running');
  await endWell(house, status.sessionId);
});

test('the gateway is killed while the guest writes: no acknowledged write is lost, and the guest goes on', async () => {
  const { house } = suite;
  const { gateway } = house.stack.site;
  const session = await house.start(SET, VM);
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  await guest.beginLog(50);
  const linesBefore = (await guest.log()).length;
  await gateway.kill('SIGKILL');
  const killedMs = Date.now();
  await gateway.start();
  expect(Date.now() - killedMs).toBeLessThan(10_000);
  await until('the guest to write on', 60_000, async () =>
    (await guest.log()).length > linesBefore + 20 ? true : undefined,
  );
  const acknowledged = await guest.endLog();
  expect(await guest.boots()).toBe(1);

  // Without its cache: as it comes back from the gateway.
  await vm.powerOff();
  await vm.powerOn();
  const after = await vm.guest();
  expect(await after.boots()).toBe(2);
  const lines = await after.log();
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, index) => index + 1));
  expect(lines.length).toBeGreaterThanOrEqual(acknowledged);
  await house.stop(session.sessionId);
});

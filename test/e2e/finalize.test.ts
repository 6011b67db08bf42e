// From the backup to production, through a vCenter, with a guest that writes a numbered line every 100 ms all the
// way: every line that it has acknowledged is there, it never restarts and never stands still, and nothing of the
// session is left. Processes that die on the way change nothing of that.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { watchLines } from '../numbered-lines.ts';
import {
  beginSlowly,
  expectArrived,
  expectRunsOn,
  finalize,
  prepareVm,
  SET,
  startWriting,
  VM,
} from './crossings.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'vcenter' });
/** A guest that is migrated live pauses for less than that. */
const MAX_GAP_MS = 2_000;

beforeAll(() => prepareVm(suite.house));
afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

describe('finalize', () => {
  test('migrates a guest live, which writes on, and leaves nothing of the session', async () => {
    const { house } = suite;
    const crossing = await startWriting(house, 'live');
    const { sessionId } = crossing.session;
    const finalizing = finalize(house, crossing);
    const { lab } = house.stack;
    const { longestPauseMs: gapMs } = await watchLines(lab.ready, crossing.vm.moref, finalizing);
    const result = await finalizing;
    console.log(`live: ${result.durationMs} ms, ${result.movedBytes} bytes; longest pause ${gapMs} ms`);
    expect(result).toMatchObject({
      state: 'finalized',
      mode: 'live',
      datastore: crossing.production.name,
      guestAwayMs: 0,
    });
    expect(gapMs).toBeLessThan(MAX_GAP_MS);
    expect(await house.show(sessionId)).toMatchObject({
      ...{ state: 'finalized', status: 'OK', progressPercent: 100 },
      finalize: { outcome: 'done', mode: 'live', guestAwayMs: 0 },
    });
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: false });
  });

  test('goes on after its worker was killed in the middle of it', async () => {
    const { house } = suite;
    const { worker } = house.stack.site;
    const crossing = await startWriting(house, 'killed');
    await beginSlowly(house, crossing);
    await worker.kill('SIGKILL');
    await house.stack.lab.ready.setStorageRate(0);
    await worker.start();
    const { sessionId } = crossing.session;
    expect(await house.watch(sessionId, '--follow')).toMatchObject({ state: 'finalized' });
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: true });
  });

  test('is called off in the middle: the guest goes on from the gateway, and is finalized later', async () => {
    const { house } = suite;
    const crossing = await startWriting(house, 'cancelled');
    const { sessionId } = crossing.session;
    await beginSlowly(house, crossing);
    expect(await house.succeed(['finalize', sessionId, '--cancel'])).toMatchObject({ state: 'running' });
    const back = await house.show(sessionId);
    expect(back).toMatchObject({ state: 'running', status: 'OK', finalize: { outcome: 'cancelled' } });
    await expectRunsOn(house, crossing);
    await house.stack.lab.ready.setStorageRate(0);
    await finalize(house, crossing);
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: true });
  });

  test('begins by itself where start was told so', async () => {
    const { house } = suite;
    const [production] = house.stack.lab.ready.datastores;
    const flags = [
      '--name',
      'auto',
      '--network',
      'disconnected',
      '--auto-migrate',
      '--datastore',
      production?.name ?? '',
    ];
    const session = await house.start(SET, VM, ...flags);
    expect(session).toMatchObject({ state: 'finalized', finalize: { outcome: 'done', mode: 'live' } });
    const vm = await house.sessionVm(session);
    expect(await (await vm.guest()).boots()).toBe(1);
    expect(await leftovers(house.stack, session.sessionId)).toEqual([]);
    await vm.destroy();
  });
});

describe('what stands in the way is said before anything is touched', () => {
  test.for([
    ['a datastore that is not there', 'nowhere', 'NotFound'],
    ["the gateway's own datastore", 'rundirect-main', 'InvalidInput'],
  ] as const)('%s', async ([, datastore, type]) => {
    const { house } = suite;
    const session = await house.start(
      SET,
      VM,
      '--name',
      'refused',
      '--no-power-on',
      '--network',
      'disconnected',
    );
    const refused = await house.run(['finalize', session.sessionId, '--datastore', datastore]);
    expect(refused.code).toBe(1);
    expect(refused.documents.at(-1)).toMatchObject({ error: { type } });
    expect((await house.show(session.sessionId)).state).toBe('running');
    await house.stop(session.sessionId);
    expect(await leftovers(house.stack, session.sessionId)).toEqual([]);
  });
});

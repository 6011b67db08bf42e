// Finalizes against a world in memory: whatever fails, is cancelled or times out, at whatever step, the VM is in
// exactly one place, and what is left over is nothing, or the session as it was.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StartInput } from '../../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from '../../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
  type TestSession,
} from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';

let harness: SessionHarness;

beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

/** Runs `body` with a session that runs, and its VM's moref. */
async function withRunning(
  world: FakeWorld,
  changes: Partial<StartInput>,
  body: (session: TestSession, moref: string) => Promise<void>,
): Promise<void> {
  const input = startInput(changes);
  await harness.withSession(input, world, async (session) => {
    await session.untilState('running');
    await body(session, `vm-${input.sessionId}`);
  });
}

/** The VM runs in production, unmarked, and nothing else is there. */
function expectInProduction(world: FakeWorld, moref: string): void {
  expect(world.leftovers).toEqual([`VM ${moref}`]);
  expect(world.vms.get(moref)).toMatchObject({ standing: 'moved', marked: false, powerState: 'poweredOn' });
}

/** The VM runs from the gateway with everything that it stands on, and the session says so and can be stopped. */
async function expectRunsOn(world: FakeWorld, session: TestSession, moref: string): Promise<void> {
  expect(world.vms.get(moref)).toMatchObject({ standing: 'ours', marked: true, powerState: 'poweredOn' });
  expect([world.exports.size, world.leases.size, world.mounted, world.migrating]).toEqual([
    1,
    1,
    true,
    undefined,
  ]);
  expect(await session.status()).toMatchObject({ state: 'running', progressPercent: 100 });
}

const called = (world: FakeWorld, step: StepName): Promise<true> =>
  eventually(step, () => (world.calls.includes(step) ? true : undefined));

describe.concurrent('a finalize', () => {
  it('ends the session with the VM in production and nothing of ours left', async () => {
    const world = new FakeWorld();
    await withRunning(world, { verify: 'beside' }, async (session, moref) => {
      const result = await session.finalize();
      expect(result).toMatchObject({ state: 'finalized', mode: 'live', datastore: 'prod', movedBytes: 1024 });
      expect(result.guestAwayMs).toBe(0);
      expect(await session.handle.result()).toMatchObject({ state: 'finalized' });
      const status = await session.status();
      expect(status).toMatchObject({ state: 'finalized', status: 'OK', progressPercent: 100 });
      expect(status.finalize).toMatchObject({ outcome: 'done', mode: 'live', percent: 100, guestAwayMs: 0 });
      expect(status.finalize?.durationMs).toBeGreaterThanOrEqual(0);
      expect(status.vm?.datastore).toBe('prod');
      expectInProduction(world, moref);
    });
    expect(world.calls).not.toContain('powerOffVm');
    expect(world.calls).not.toContain('unregisterVm');
  });

  it('shows how far the migration is', async () => {
    const world = new FakeWorld();
    world.migrationEnds = false;
    await withRunning(world, {}, async (session, moref) => {
      const finalized = failureOf(session.finalize());
      const status = await eventually('progress', async () => {
        const now = await session.status();
        return now.finalize?.percent === 50 ? now : undefined;
      });
      expect(status).toMatchObject({ state: 'finalizing', status: 'In progress', step: 'migrateVm' });
      expect(status.progressPercent).toBe(47);
      expect(status.finalize).toMatchObject({ bytesPerSecond: 100, leftMs: 5_000, totalBytes: 1024 });
      await session.cancelFinalize();
      await finalized;
      await expectRunsOn(world, session, moref);
      await session.stop();
    });
  });

  it('waits for its turn, says for whom, and looks again at what was free before', async () => {
    const world = new FakeWorld();
    const others = ['other-1', 'other-2'].map((sessionId) => ({ sessionId, places: ['ds-1'] }));
    world.turns = others;
    await withRunning(world, {}, async (session, moref) => {
      const called = failureOf(session.finalize());
      const waits = (): Promise<true> =>
        eventually('its turn', async () =>
          (await session.status()).finalize?.waitsFor?.join() === 'other-1,other-2' ? true : undefined,
        );
      await waits();
      expect(await session.status()).toMatchObject({ state: 'finalizing', step: 'awaitTurn' });
      await session.cancelFinalize();
      expect(await called).toMatchObject({ type: 'FinalizeCancelled' });
      expect(world.turns).toEqual(others);
      await expectRunsOn(world, session, moref);
      expect((await session.status()).finalize?.waitsFor).toBeUndefined();

      const finalized = session.finalize();
      await waits();
      world.turns = world.turns.filter(({ sessionId }) => sessionId !== 'other-1');
      expect(await finalized).toMatchObject({ state: 'finalized' });
      expect(world.calls.filter((call) => call === 'finalizePreflight')).toHaveLength(3);
      world.turns = world.turns.filter(({ sessionId }) => sessionId !== 'other-2');
      expectInProduction(world, moref);
    });
  });

  it('begins by itself once the session runs, where start asked for that', async () => {
    const world = new FakeWorld();
    const input = startInput({ autoMigrate: { datastore: 'prod', vmotion: 'auto' } });
    await harness.withSession(input, world, async (session) => {
      expect(await session.handle.result()).toMatchObject({ state: 'finalized' });
    });
    expectInProduction(world, `vm-${input.sessionId}`);
  });

  it('waits for a guest that boots, where it is to be shut down', async () => {
    const world = new FakeWorld();
    world.faults.set('awaitGuest', 'passing');
    const input = startInput({ autoMigrate: { datastore: 'prod', vmotion: 'cold' } });
    await harness.withSession(input, world, async (session) => {
      expect(await session.handle.result()).toMatchObject({ state: 'finalized' });
      const { log } = await session.status();
      expect(log.map(({ message }) => message).join()).toContain('waits until the guest is up');
    });
    const [first, ...rest] = world.calls.filter((call) => ['awaitGuest', 'finalizePreflight'].includes(call));
    expect([first, ...rest.slice(0, 2)]).toEqual(['awaitGuest', 'awaitGuest', 'finalizePreflight']);
  });

  it('counts a guest that boots as away until it is up again', async () => {
    const world = new FakeWorld();
    await withRunning(world, {}, async (session) => {
      await eventually('the guest', async () =>
        (await session.status()).guest === 'ready' ? true : undefined,
      );
      const { guestAwayMs } = await session.finalize({ vmotion: 'cold' });
      expect(guestAwayMs).toBeGreaterThan(0);
      const { log } = await session.status();
      expect(log.map(({ message }) => message).join()).toContain('The guest is up again: it was away for');
    });
    const way: StepName[] = ['takeGuestAway', 'migrateVm', 'bringGuestBack', 'awaitGuest'];
    const from = world.calls.indexOf('takeGuestAway');
    // The watch over the session waits for it, too.
    expect(
      world.calls
        .slice(from)
        .filter((call) => way.includes(call))
        .slice(0, 4),
    ).toEqual(way);
  });

  it('that began by itself and failed is not begun again by itself', async () => {
    const world = new FakeWorld();
    world.faults.set('finalizePreflight', 'before');
    const input = startInput({ autoMigrate: { datastore: 'prod', vmotion: 'auto' } });
    await harness.withSession(input, world, async (session) => {
      await eventually('the failure', async () =>
        (await session.status()).finalize?.outcome === 'failed' ? true : undefined,
      );
      expect(await session.status()).toMatchObject({ state: 'running', status: 'Warning' });
      world.faults.delete('finalizePreflight');
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
    });
    expect(world.calls.filter((name) => name === 'finalizePreflight')).toHaveLength(2);
  });

  it('moves a VM that is powered off cold', async () => {
    const world = new FakeWorld();
    await withRunning(world, { powerOn: false }, async (session, moref) => {
      const result = await session.finalize();
      expect(result.mode).toBe('cold');
      expect(result.guestAwayMs).toBeUndefined();
      expect(world.vms.get(moref)).toMatchObject({ standing: 'moved', powerState: 'poweredOff' });
      expect(world.leftovers).toEqual([`VM ${moref}`]);
    });
  });

  it('waits for a verify that runs, and goes on when that has passed', async () => {
    const world = new FakeWorld();
    world.faults.set('verifyChain', 'passing');
    await withRunning(world, { verify: 'beside' }, async (session, moref) => {
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
      expect((await session.status()).verify.state).toBe('passed');
      expectInProduction(world, moref);
    });
  });

  it('does not take damage to production', async () => {
    const world = new FakeWorld();
    world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
    await withRunning(world, { verify: 'beside' }, async (session, moref) => {
      const cause = await failureOf(session.finalize());
      expect(cause).toMatchObject({ type: 'BlockCorrupt' });
      expect((cause as Error).message).toContain('block 7');
      await expectRunsOn(world, session, moref);
      expect(await session.status()).toMatchObject({ status: 'Error', finalize: { outcome: 'failed' } });
      expect(world.calls).not.toContain('migrateVm');
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });
});

const before: StepName[] = ['finalizePreflight', 'migrateVm'];
const after: StepName[] = ['handOverVm', 'unmount', 'dropExport'];

describe.concurrent('a finalize that fails', () => {
  it.each(before)(
    'at %s before it acted leaves the session as it was, to be finalized again',
    async (step) => {
      const world = new FakeWorld();
      world.faults.set(step, 'before');
      await withRunning(world, {}, async (session, moref) => {
        const cause = await failureOf(session.finalize());
        expect(cause).toMatchObject({ type: 'NotSupported', message: `${step} was told to fail` });
        await expectRunsOn(world, session, moref);
        const { status, finalize, log } = await session.status();
        expect(status).toBe('Warning');
        expect(finalize).toMatchObject({ outcome: 'failed', failure: { type: 'NotSupported' } });
        expect(log.at(-1)?.message).toContain('runs from its backup as before');
        world.faults.delete(step);
        expect(await session.finalize()).toMatchObject({ state: 'finalized' });
        expectInProduction(world, moref);
      });
    },
  );

  it('in its migration, after that was done, is finalized all the same', async () => {
    const world = new FakeWorld();
    world.faults.set('migrateVm', 'after');
    await withRunning(world, {}, async (session, moref) => {
      expect(await session.finalize()).toMatchObject({ state: 'finalized', mode: 'live' });
      expectInProduction(world, moref);
    });
  });

  it('in its migration, with the target at work, ends that before it goes back', async () => {
    const world = new FakeWorld();
    world.migrationEnds = false;
    world.faults.set('migrateVm', 'after');
    await withRunning(world, {}, async (session, moref) => {
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'NotSupported' });
      await expectRunsOn(world, session, moref);
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('with a part of the VM elsewhere says so, and touches nothing', async () => {
    const world = new FakeWorld();
    world.migrationEnds = false;
    world.faults.set('migrateVm', 'after');
    await withRunning(world, {}, async (session, moref) => {
      world.faults.set('endMigration', 'before');
      const finalized = failureOf(session.finalize());
      await eventually('a word about it', async () =>
        (await session.status()).log.find(({ message }) => message.includes('Could not end the migration')),
      );
      world.change(moref, { standing: 'partlyMoved' });
      world.faults.delete('endMigration');
      expect(await finalized).toMatchObject({ type: 'VmMoved' });
      expect(world.exports.size).toBe(1);
      world.change(moref, { standing: 'ours' });
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  const faults: Fault[] = ['before', 'after'];
  it.each(after.flatMap((step) => faults.map((fault) => [step, fault] as const)))(
    'at %s (%s it acted) tells what it waits for, and gets there',
    async (step, fault) => {
      const world = new FakeWorld();
      await withRunning(world, {}, async (session, moref) => {
        world.faults.set(step, fault);
        const finalized = session.finalize();
        await eventually('a word about it', async () =>
          (await session.status()).log.find(({ message }) => message.includes('Could not')),
        );
        expect(world.vms.get(moref)).toMatchObject({ standing: 'moved', powerState: 'poweredOn' });
        world.faults.delete(step);
        expect(await finalized).toMatchObject({ state: 'finalized' });
        expectInProduction(world, moref);
      });
    },
  );

  it('for want of an answer in time says so, and the session runs on', async () => {
    const world = new FakeWorld();
    world.faults.set('finalizePreflight', 'hang');
    await withRunning(world, { stepTimeoutMs: 700 }, async (session, moref) => {
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'SiteUnavailable' });
      await expectRunsOn(world, session, moref);
      world.faults.clear();
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it.each([...before, ...after])('at %s for a moment goes on', async (step) => {
    const world = new FakeWorld();
    await withRunning(world, {}, async (session, moref) => {
      world.faults.set(step, 'passing');
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
      expectInProduction(world, moref);
    });
  });
});

describe.concurrent('a finalize that is cancelled', () => {
  it('in its preflight leaves the session as it was', async () => {
    const world = new FakeWorld();
    world.faults.set('finalizePreflight', 'hang');
    await withRunning(world, {}, async (session, moref) => {
      const finalized = failureOf(session.finalize());
      await called(world, 'finalizePreflight');
      expect(await session.cancelFinalize()).toMatchObject({ state: 'running' });
      expect(await finalized).toMatchObject({ type: 'FinalizeCancelled' });
      await expectRunsOn(world, session, moref);
      expect(await session.status()).toMatchObject({ status: 'OK', finalize: { outcome: 'cancelled' } });
      expect(world.calls).not.toContain('migrateVm');
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('while it waits for the verify leaves both as they were', async () => {
    const world = new FakeWorld();
    world.faults.set('verifyChain', 'hang');
    await withRunning(world, { verify: 'beside' }, async (session, moref) => {
      const finalized = failureOf(session.finalize());
      await eventually('the wait', async () =>
        (await session.status()).step === 'verify' ? true : undefined,
      );
      expect(await session.cancelFinalize()).toMatchObject({ state: 'running' });
      await finalized;
      await expectRunsOn(world, session, moref);
      expect((await session.status()).verify.state).toBe('running');
      world.faults.clear();
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('in its migration has the target give up, and can be asked for again', async () => {
    const world = new FakeWorld();
    world.migrationEnds = false;
    await withRunning(world, {}, async (session, moref) => {
      const finalized = failureOf(session.finalize());
      await eventually('the migration', () => world.migrating);
      expect(await session.cancelFinalize()).toMatchObject({ state: 'running' });
      expect(await finalized).toMatchObject({ type: 'FinalizeCancelled' });
      await expectRunsOn(world, session, moref);
      world.migrationEnds = true;
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
      expectInProduction(world, moref);
    });
  });

  it('when the migration was done already is finalized, and the cancel says so', async () => {
    const world = new FakeWorld();
    world.faults.set('migrateVm', 'hang');
    await withRunning(world, {}, async (session, moref) => {
      const finalized = session.finalize();
      await eventually('the move', () => (world.vms.get(moref)?.standing === 'moved' ? true : undefined));
      expect(await session.cancelFinalize()).toMatchObject({ state: 'finalized' });
      expect(await finalized).toMatchObject({ state: 'finalized' });
      expectInProduction(world, moref);
    });
  });

  it('after its migration goes on: there is no way back', async () => {
    const world = new FakeWorld();
    await withRunning(world, {}, async (session, moref) => {
      world.faults.set('unmount', 'before');
      const finalized = session.finalize();
      await called(world, 'unmount');
      expect(await failureOf(session.cancelFinalize())).toMatchObject({ type: 'NotFinalizing' });
      world.faults.delete('unmount');
      expect(await finalized).toMatchObject({ state: 'finalized' });
      expectInProduction(world, moref);
    });
  });
});

describe.concurrent('what is asked at the wrong time is refused in words', () => {
  it('before the session runs', async () => {
    const world = new FakeWorld();
    world.faults.set('mount', 'hang');
    await harness.withSession(startInput(), world, async (session) => {
      await called(world, 'mount');
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'NotRunning' });
      expect(await failureOf(session.cancelFinalize())).toMatchObject({ type: 'NotFinalizing' });
      await session.stop();
    });
  });

  it('while it is being stopped, and while it is being finalized', async () => {
    const world = new FakeWorld();
    world.migrationEnds = false;
    await withRunning(world, {}, async (session) => {
      const finalized = failureOf(session.finalize());
      await eventually('the migration', () => world.migrating);
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'AlreadyFinalizing' });
      expect(await failureOf(session.stop())).toMatchObject({ type: 'AlreadyFinalizing' });
      await session.cancelFinalize();
      await finalized;
      world.faults.set('unmount', 'before');
      const stopped = session.stop();
      await called(world, 'unmount');
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'AlreadyStopping' });
      world.faults.clear();
      await stopped;
    });
    expect(world.leftovers).toEqual([]);
  });

  it('of a session that belongs to a drill', async () => {
    const world = new FakeWorld();
    await withRunning(world, { placement: { network: 'isolated' } }, async (session) => {
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'NotSupported' });
      await session.stop();
    });
  });

  it('by a name that stands for nothing', async () => {
    const world = new FakeWorld();
    await withRunning(world, {}, async (session) => {
      const warm = session.finalize({ vmotion: 'warm' as 'auto' });
      expect(await failureOf(warm)).toMatchObject({ type: 'InvalidInput' });
      await session.stop();
    });
  });
});

describe.concurrent('a VM that somebody migrates by hand', () => {
  it('counts as finalized at once: marks and traces go, and it is not powered off', async () => {
    const world = new FakeWorld();
    await withRunning(world, {}, async (session, moref) => {
      await called(world, 'watchVm');
      world.change(moref, { standing: 'moved' });
      expect(await session.handle.result()).toMatchObject({ state: 'finalized' });
      const status = await session.status();
      expect(status).toMatchObject({ state: 'finalized', status: 'OK', finalize: { mode: 'byHand' } });
      expect(
        status.log.some(({ message }) => message.includes('migrated to production storage by hand')),
      ).toBe(true);
      expectInProduction(world, moref);
    });
    expect(world.calls).not.toContain('powerOffVm');
  });

  it('and back again before its marks were taken is the session’s again', async () => {
    const world = new FakeWorld();
    await withRunning(world, {}, async (session, moref) => {
      await called(world, 'watchVm');
      world.faults.set('handOverVm', 'passing');
      world.change(moref, { standing: 'moved' });
      await called(world, 'handOverVm');
      world.change(moref, { standing: 'partlyMoved' });
      await eventually('the way back', async () =>
        (await session.status()).finalize?.outcome === 'failed' ? true : undefined,
      );
      const { log } = await session.status();
      expect(log.at(-1)?.message).toContain('past its migration, and the session holds on to it');
      world.change(moref, { standing: 'ours' });
      await expectRunsOn(world, session, moref);
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });
});

// Takes VMs over to production in a world in memory, on a host alone and on a target that migrates nothing live:
// whatever fails, is cancelled or times out, at whatever step, the VM is in exactly one place, and it never runs in
// both.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StartInput } from '../../contract/index.ts';
import { FakeWorld, type StepName } from '../../test/fake-world.ts';
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

function hostAlone(): FakeWorld {
  const world = new FakeWorld();
  world.isHostAlone = true;
  return world;
}

/** Runs `body` with a session that runs, and sees to it that its VM never ran twice. */
async function withRunning(
  world: FakeWorld,
  changes: Partial<StartInput>,
  body: (session: TestSession, sessionId: string) => Promise<void>,
): Promise<void> {
  const input = startInput(changes);
  await harness.withSession(input, world, async (session) => {
    await session.untilState('running');
    await body(session, input.sessionId);
  });
  expect(world.crossing.violations).toEqual([]);
}

const vmsOf = (world: FakeWorld) => [...world.vms.values()];

/** One VM, in production, unmarked, and nothing else anywhere. */
function expectInProduction(world: FakeWorld, powerState = 'poweredOn'): void {
  expect(vmsOf(world)).toMatchObject([{ standing: 'moved', marked: false, powerState }]);
  expect(world.leftovers).toEqual([`VM ${[...world.vms.keys()].join()}`]);
}

/** One VM, from the gateway with all that it stands on, the fence lifted; it can be stopped. */
async function expectRunsOn(world: FakeWorld, session: TestSession, powerState = 'poweredOn'): Promise<void> {
  expect(vmsOf(world)).toMatchObject([{ standing: 'ours', marked: true, powerState }]);
  expect([world.exports.size, world.leases.size, world.mounted]).toEqual([1, 1, true]);
  expect(world.crossing.leftovers).toEqual([]);
  expect(world.crossing.fences.size).toBe(0);
  const status = await session.status();
  expect(status).toMatchObject({ state: 'running', progressPercent: 100, powerState });
  expect(status.vm?.moref).toBe([...world.vms.keys()].join());
}

async function stopAndExpectNothing(world: FakeWorld, session: TestSession): Promise<void> {
  expect(await session.stop()).toMatchObject({ state: 'stopped' });
  expect(world.leftovers).toEqual([]);
}

const called = (world: FakeWorld, step: StepName): Promise<true> =>
  eventually(step, () => (world.calls.includes(step) ? true : undefined));

/** In the order in which they come; up to `runInProduction` all of it can be undone. */
const WAY: readonly StepName[] = [
  'claimProductionFolder',
  'freezeDisks',
  'copyFrozenDisk',
  'takeGuestAway',
  'stageVm',
  'fenceOldVm',
  'joinInProduction',
];
const FORWARD: readonly StepName[] = [
  'settleInProduction',
  'releaseProductionFolder',
  'handOverVm',
  'unmount',
  'dropExport',
];

describe.concurrent('a short outage', () => {
  it('ends the session with the VM in production, and says how long the guest was away', async () => {
    const world = hostAlone();
    await withRunning(world, { verify: 'beside' }, async (session) => {
      const result = await session.finalize();
      expect(result).toMatchObject({ state: 'finalized', mode: 'shortOutage', datastore: 'prod' });
      expect(result.guestAwayMs).toBeGreaterThan(0);
      expect(result.guestAwayMs).toBeLessThan(result.durationMs);
      const status = await session.status();
      expect(status).toMatchObject({ state: 'finalized', status: 'OK', progressPercent: 100 });
      expect(status.finalize).toMatchObject({
        outcome: 'done',
        percent: 100,
        guestAwayMs: result.guestAwayMs,
      });
      expectInProduction(world);
    });
    const steps = world.calls.filter((step) => [...WAY, 'runInProduction', ...FORWARD].includes(step));
    const twoDisks = WAY.flatMap((step) => (step === 'copyFrozenDisk' ? [step, step] : [step]));
    expect(steps).toEqual([...twoDisks, 'runInProduction', ...FORWARD]);
  });

  it('needs no snapshot where the changes lie apart already, and leaves them so when it goes back', async () => {
    const world = hostAlone();
    const changes = { datastore: 'vmfs02' };
    await withRunning(world, { changes }, async (session) => {
      world.faults.set('joinInProduction', 'after');
      expect(await failureOf(session.finalize())).toMatchObject({ type: 'NotSupported' });
      await expectRunsOn(world, session);
      expect(world.calls).not.toContain('thawDisks');
      expect(world.changes.size).toBe(1);
      world.faults.clear();
      expect(await session.finalize()).toMatchObject({ state: 'finalized', mode: 'shortOutage' });
      expectInProduction(world);
      expect(world.changes.size).toBe(0);
    });
  });

  it('restarts a guest where that was asked for, and waits until it is up', async () => {
    const world = hostAlone();
    await withRunning(world, {}, async (session) => {
      await eventually('the heartbeat', async () =>
        (await session.status()).guest === 'ready' ? true : undefined,
      );
      expect(await session.finalize({ guestAway: 'shutDown' })).toMatchObject({ mode: 'shortOutage' });
      const words = (await session.status()).log.map(({ message }) => message).join('\n');
      expect(words).toContain('runs in production; its guest boots');
      expect(words.match(/it was away for/g)).toHaveLength(1);
      expectInProduction(world);
    });
    expect(world.calls.filter((step) => step === 'awaitGuest')).toHaveLength(2);
  });

  it('restarts a guest that can not be suspended, and says so', async () => {
    const world = hostAlone();
    world.crossing.refusesSuspend = true;
    await withRunning(world, {}, async (session) => {
      expect(await session.finalize()).toMatchObject({ mode: 'shortOutage' });
      expect((await session.status()).log.map(({ message }) => message).join()).toContain(
        'shut down instead',
      );
      expectInProduction(world);
    });
  });

  it('is what is tried where the target turns out not to migrate live', async () => {
    const world = new FakeWorld();
    world.fallbacks = ['short-outage', 'cold'];
    world.faults.set('migrateVm', 'before');
    await withRunning(world, {}, async (session) => {
      expect(await session.finalize()).toMatchObject({ mode: 'shortOutage' });
      expect((await session.status()).log.map(({ message }) => message).join()).toContain(
        'Tries another way',
      );
      expectInProduction(world);
    });
  });

  it('is not tried after the finalize was cancelled, or where another way was asked for', async () => {
    const world = new FakeWorld();
    world.fallbacks = ['short-outage'];
    world.migrationEnds = false;
    await withRunning(world, {}, async (session) => {
      const finalized = failureOf(session.finalize());
      await eventually('the migration', () => world.migrating);
      await session.cancelFinalize();
      expect(await finalized).toMatchObject({ type: 'FinalizeCancelled' });
      world.faults.set('migrateVm', 'before');
      expect(await failureOf(session.finalize({ vmotion: 'live' }))).toMatchObject({ type: 'NotSupported' });
      expect(world.calls).not.toContain('claimProductionFolder');
      await stopAndExpectNothing(world, session);
    });
  });
});

describe.concurrent('cold', () => {
  it('takes over a VM that is off, which stays off', async () => {
    const world = hostAlone();
    await withRunning(world, { powerOn: false }, async (session) => {
      const result = await session.finalize();
      expect(result).toMatchObject({ mode: 'cold' });
      expect(result.guestAwayMs).toBeUndefined();
      expectInProduction(world, 'poweredOff');
    });
    expect(world.calls).not.toContain('takeGuestAway');
  });

  it('shuts a guest down first, and has it run again afterwards', async () => {
    for (const world of [hostAlone(), new FakeWorld()]) {
      await withRunning(world, {}, async (session) => {
        const result = await session.finalize({ vmotion: 'cold' });
        expect(result).toMatchObject({ mode: 'cold' });
        expect(result.guestAwayMs).toBeGreaterThan(0);
        expectInProduction(world);
      });
    }
  });

  it.each<StepName>(['freezeDisks', 'copyFrozenDisk', 'fenceOldVm', 'joinInProduction', 'runInProduction'])(
    'that fails at %s has the guest run again from the gateway',
    async (step) => {
      const world = hostAlone();
      world.faults.set(step, 'before');
      await withRunning(world, {}, async (session) => {
        expect(await failureOf(session.finalize({ vmotion: 'cold' }))).toMatchObject({
          type: 'NotSupported',
        });
        world.faults.clear();
        await expectRunsOn(world, session);
        await stopAndExpectNothing(world, session);
      });
    },
  );

  it('through a vCenter, that fails, has the guest run again where it was', async () => {
    const world = new FakeWorld();
    world.faults.set('migrateVm', 'before');
    await withRunning(world, {}, async (session) => {
      expect(await failureOf(session.finalize({ vmotion: 'cold' }))).toMatchObject({ type: 'NotSupported' });
      await expectRunsOn(world, session);
      await stopAndExpectNothing(world, session);
    });
  });
});

describe.concurrent('what fails before the VM runs in production', () => {
  it.each(
    [...WAY, 'runInProduction' as const].flatMap((step) => [
      [step, 'before'] as const,
      ...(step === 'runInProduction' ? [] : [[step, 'after'] as const]),
    ]),
  )('at %s (%s it acted) leaves the session as it was, to be finalized again', async (step, fault) => {
    const world = hostAlone();
    world.faults.set(step, fault);
    await withRunning(world, {}, async (session) => {
      const cause = await failureOf(session.finalize());
      expect(cause).toMatchObject({ type: 'NotSupported', message: `${step} was told to fail` });
      world.faults.clear();
      await expectRunsOn(world, session);
      const { status, finalize, log } = await session.status();
      expect(status).toBe('Warning');
      expect(finalize).toMatchObject({ outcome: 'failed', failure: { type: 'NotSupported' } });
      expect(log.at(-1)?.message).toContain('runs from its backup as before');
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
      expectInProduction(world);
    });
  });

  it.each([...WAY, 'runInProduction' as const])('at %s for a moment goes on', async (step) => {
    const world = hostAlone();
    world.faults.set(step, 'passing');
    await withRunning(world, {}, async (session) => {
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
      expectInProduction(world);
    });
  });

  it('for want of an answer that came to pass all the same is finalized', async () => {
    const world = hostAlone();
    world.faults.set('runInProduction', 'after');
    await withRunning(world, {}, async (session) => {
      expect(await session.finalize()).toMatchObject({ state: 'finalized', mode: 'shortOutage' });
      expectInProduction(world);
    });
  });

  it('is watched again under its new name in the inventory', async () => {
    const world = hostAlone();
    world.faults.set('joinInProduction', 'before');
    await withRunning(world, {}, async (session) => {
      await failureOf(session.finalize());
      await expectRunsOn(world, session);
      world.change([...world.vms.keys()].join(), { powerState: 'poweredOff' });
      await eventually('the power state', async () =>
        (await session.status()).powerState === 'poweredOff' ? true : undefined,
      );
      await stopAndExpectNothing(world, session);
    });
  });

  const BACK: readonly StepName[] = [
    'withdrawFromProduction',
    'returnOldVm',
    'bringGuestBack',
    'thawDisks',
    'removeProductionFolder',
  ];
  it.each(BACK)('insists on going back at %s', async (step) => {
    const world = hostAlone();
    world.faults.set('runInProduction', 'before');
    world.faults.set(step, 'before');
    await withRunning(world, {}, async (session) => {
      const finalized = failureOf(session.finalize());
      await eventually('a word about it', async () =>
        (await session.status()).log.find(({ message }) => message.includes('Could not')),
      );
      world.faults.clear();
      await finalized;
      await expectRunsOn(world, session);
      await stopAndExpectNothing(world, session);
    });
  });
});

describe.concurrent('what fails after it', () => {
  it.each(FORWARD.flatMap((step) => (['before', 'after'] as const).map((fault) => [step, fault] as const)))(
    'at %s (%s it acted) tells what it waits for, and gets there',
    async (step, fault) => {
      const world = hostAlone();
      world.faults.set(step, fault);
      await withRunning(world, {}, async (session) => {
        const finalized = session.finalize();
        await eventually('a word about it', async () =>
          (await session.status()).log.find(({ message }) => message.includes('Could not')),
        );
        expect(vmsOf(world)).toMatchObject([{ powerState: 'poweredOn' }]);
        expect(world.exports.size).toBe(step === 'dropExport' && fault === 'after' ? 0 : 1);
        expect(await failureOf(session.cancelFinalize())).toMatchObject({ type: 'NotFinalizing' });
        world.faults.clear();
        expect(await finalized).toMatchObject({ state: 'finalized' });
        expectInProduction(world);
      });
    },
  );
});

it('a stop leaves a VM alone that is half way to production, and keeps what it stands on', async () => {
  const world = hostAlone();
  await withRunning(world, {}, async (session, sessionId) => {
    world.change(`vm-${sessionId}`, { standing: 'crossing' });
    expect(await failureOf(session.stop())).toMatchObject({ type: 'VmMoved' });
    expect(world.exports.size).toBe(1);
    expect((await session.status()).state).toBe('running');
    world.change(`vm-${sessionId}`, { standing: 'ours' });
    await stopAndExpectNothing(world, session);
  });
});

describe.concurrent('a cancel', () => {
  it.each(WAY)('at %s brings the guest back, and it can be finalized again', async (step) => {
    const world = hostAlone();
    world.faults.set(step, 'hang');
    await withRunning(world, {}, async (session) => {
      const finalized = failureOf(session.finalize());
      await called(world, step);
      expect(await session.cancelFinalize()).toMatchObject({ state: 'running' });
      expect(await finalized).toMatchObject({ type: 'FinalizeCancelled' });
      world.faults.clear();
      await expectRunsOn(world, session);
      expect(await session.status()).toMatchObject({ status: 'OK', finalize: { outcome: 'cancelled' } });
      expect(await session.finalize()).toMatchObject({ state: 'finalized' });
      expectInProduction(world);
    });
  });
});

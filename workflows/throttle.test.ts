// Copies that are held back, paused and let go in a world in memory: whatever happens meanwhile, nothing is held back
// when the copy has ended, and no guest runs from disks that are.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CrossingStepInput,
  type RestoreInput,
  type StartInput,
  THROTTLE_MEMO,
  WorkflowType,
} from '../contract/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
  type TestSession,
} from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';
import { restoreInput } from '../test/workflow-inputs.ts';

const MIB = 1024 * 1024;

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

async function withRestore(
  changes: Partial<RestoreInput>,
  body: (restore: TestSession, world: FakeWorld, sessionId: string) => Promise<void>,
  world = new FakeWorld(),
): Promise<void> {
  const input = restoreInput(changes);
  const { sessionId } = input;
  // Nothing is copied before a test has looked at it, or has said at which rate.
  world.limits.set(sessionId, 0);
  await harness.withSession(input, world, (restore) => body(restore, world, sessionId), WorkflowType.restore);
  world.limits.delete(sessionId);
}

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

const hostAlone = (): FakeWorld => Object.assign(new FakeWorld(), { isHostAlone: true });

const untilStep = (session: TestSession, step: string) =>
  eventually(step, async () => ((await session.status()).step === step ? true : undefined));

const limitCalls = ({ calls }: FakeWorld) => calls.filter((step) => /ReadLimit|limitReads/.test(step));

describe.concurrent('a restore', () => {
  it('is held back from its first READ on, paused, and let go; nothing is held back when it has ended', async () => {
    const slow = Object.assign(new FakeWorld(), { copiesEnd: false });
    const throttle = 5 * MIB;
    const look = async (restore: TestSession, world: FakeWorld, sessionId: string): Promise<void> => {
      const half = await eventually('half a disk', async () => {
        const now = await restore.status();
        return now.restore?.copiedBytes === 512 ? now : undefined;
      });
      expect(world.limits.get(sessionId)).toBe(5 * MIB);
      expect(half).toMatchObject({ throttle: { bytesPerSecond: 5 * MIB, paused: false } });
      expect(half.restore).toMatchObject({ bytesPerSecond: 512, leftMs: 7_000 });

      const paused = { bytesPerSecond: 5 * MIB, paused: true };
      expect(await restore.throttle({ paused: true })).toEqual({ sessionId, throttle: paused });
      expect(world.limits.get(sessionId)).toBe(0);
      const standing = await restore.status();
      expect(standing).toMatchObject({ throttle: paused, restore: { bytesPerSecond: 0 } });
      expect(standing.restore?.leftMs).toBeUndefined();
      expect(standing.log.at(-1)?.message).toBe('The copying is paused; later it reads at most 5 MiB/s');
      expect((await restore.handle.describe()).memo).toMatchObject({ [THROTTLE_MEMO]: paused });

      // What is left takes longer than what was measured says.
      await restore.throttle({ paused: false, bytesPerSecond: 64 * 1024 });
      expect(world.limits.get(sessionId)).toBe(64 * 1024);
      expect((await restore.status()).restore?.leftMs).toBe(Math.round((1000 * (4096 - 512)) / (64 * 1024)));
      expect(await restore.throttle({ bytesPerSecond: null })).toEqual({
        ...{ sessionId, throttle: { paused: false } },
      });
      expect(world.limits.has(sessionId)).toBe(false);
      expect((await restore.status()).throttle).toBeUndefined();
      expect((await restore.handle.describe()).memo).not.toHaveProperty(THROTTLE_MEMO);
      await restore.throttle({ paused: true });
      expect(await restore.stop()).toMatchObject({ state: 'cancelled' });
      expect(world.leftovers).toEqual([]);
    };
    await withRestore({ throttle }, look, slow);
  });

  it('takes a pause before it copies, and ends whole after it', async () => {
    await withRestore({}, async (restore, world, sessionId) => {
      await restore.throttle({ paused: true });
      await untilStep(restore, 'copyRestoreDisk');
      await eventually('the pause', () => (world.calls.includes('limitReads') ? true : undefined));
      expect(world.calls).not.toContain('writeVmFiles');
      await restore.throttle({ paused: false });
      expect(await restore.handle.result()).toMatchObject({ state: 'restored' });
      expect((await restore.status()).throttle).toBeUndefined();
      expect(world.limits.has(sessionId)).toBe(false);
      expect(await failureOf(restore.throttle({ paused: true }))).toBeInstanceOf(Error);
    });
  });

  it.each(['stop', 'cancel'] as const)('that is paused is undone by a %s at once', async (how) => {
    await withRestore({}, async (restore, world) => {
      await restore.throttle({ paused: true });
      await untilStep(restore, 'copyRestoreDisk');
      if (how === 'stop') expect(await restore.stop()).toMatchObject({ state: 'cancelled' });
      else await restore.handle.cancel();
      await failureOf(restore.handle.result()).catch(() => undefined);
      expect(world.leftovers).toEqual([]);
    });
  });

  it('tells who asked why the gateway did not do it, and lets go what it may have done', async () => {
    await withRestore({}, async (restore, world, sessionId) => {
      await untilStep(restore, 'copyRestoreDisk');
      world.faults.set('limitReads', 'after');
      expect(await failureOf(restore.throttle({ paused: true }))).toMatchObject({
        ...{ type: 'NotSupported', message: 'limitReads was told to fail' },
      });
      expect((await restore.status()).throttle).toBeUndefined();
      expect(world.limits.has(sessionId)).toBe(false);
      expect(await restore.handle.result()).toMatchObject({ state: 'restored' });
    });
  });

  it('says where it is not known what the gateway does, and lets go at the end all the same', async () => {
    await withRestore({}, async (restore, world, sessionId) => {
      await untilStep(restore, 'copyRestoreDisk');
      world.faults.set('limitReads', 'after').set('liftReadLimit', 'passing');
      expect(await failureOf(restore.throttle({ paused: true }))).toMatchObject({ type: 'NotSupported' });
      expect(world.limits.get(sessionId)).toBe(0);
      const { log } = await restore.status();
      expect(log.at(-1)?.message).toContain('the gateway may hold it otherwise: ask again');
      world.faults.clear();
      await restore.throttle({ paused: false });
      expect(await restore.handle.result()).toMatchObject({ state: 'restored' });
      expect(world.limits.has(sessionId)).toBe(false);
    });
  });

  it('refuses a rate that is none', async () => {
    await withRestore({}, async (restore, world, sessionId) => {
      expect(await failureOf(restore.throttle({ bytesPerSecond: 1 }))).toMatchObject({
        ...{ type: 'InvalidInput', message: 'a rate is 64KiB/s at the least' },
      });
      world.limits.delete(sessionId);
      await restore.handle.result();
      expect(limitCalls(world)).toEqual([]);
    });
  });
});

describe.concurrent('a cold finalize', () => {
  it.each([
    ['of a host alone', hostAlone, 'copyFrozenDisk'],
    ['through a vCenter', () => new FakeWorld(), 'migrateVm'],
  ] as const)(
    '%s is held back while the VM is off, and its guest runs unhindered after',
    async (_, make, step) => {
      const world = make();
      await withRunning(world, {}, async (session, sessionId) => {
        world.limits.set(sessionId, 0);
        const finalized = session.finalize({ vmotion: 'cold' });
        await untilStep(session, step);
        expect(world.limits.get(sessionId)).toBe(0);
        expect(await session.throttle({ bytesPerSecond: MIB, paused: true })).toMatchObject({ sessionId });
        expect(await session.status()).toMatchObject({
          throttle: { bytesPerSecond: MIB, paused: true },
          finalize: { outcome: 'underWay', bytesPerSecond: 0 },
        });
        await session.throttle({ paused: false });
        expect(await finalized).toMatchObject({ mode: 'cold' });
        expect(world.limits.size).toBe(0);
        expect((await session.status()).throttle).toBeUndefined();
      });
    },
  );

  it.each([
    ['of a host alone', hostAlone, 'copyFrozenDisk'],
    ['through a vCenter', () => new FakeWorld(), 'migrateVm'],
  ] as const)(
    '%s that is called off while it is paused has its guest back, not held back',
    async (_, make, step) => {
      const world = make();
      // Let go, it goes on until it is called off.
      world.migrationEnds = false;
      await withRunning(world, {}, async (session, sessionId) => {
        world.limits.set(sessionId, 0);
        const failed = failureOf(session.finalize({ vmotion: 'cold' }));
        await untilStep(session, step);
        await session.throttle({ paused: true });
        expect(await session.cancelFinalize()).toMatchObject({ state: 'running' });
        expect(await failed).toMatchObject({ type: 'FinalizeCancelled' });
        expect(world.limits.size).toBe(0);
        expect(await session.status()).toMatchObject({ state: 'running', powerState: 'poweredOn' });
        expect(await failureOf(session.throttle({ paused: true }))).toMatchObject({ type: 'NotSupported' });
        expect(await session.stop()).toMatchObject({ state: 'stopped' });
        expect(world.leftovers).toEqual([]);
      });
    },
  );

  it('takes a rate with the request, and lets go a guest that somebody powers on', async () => {
    const world = hostAlone();
    await withRunning(world, { powerOn: false }, async (session, sessionId) => {
      world.limits.set(sessionId, 0);
      world.faults.set('limitReads', 'passing');
      const finalized = session.finalize({ throttle: 2 * MIB });
      await eventually('the limit', () => (world.limits.get(sessionId) === 2 * MIB ? true : undefined));
      await finalized;
      expect(limitCalls(world)).toEqual(['limitReads', 'limitReads', 'liftReadLimit']);
    });
    const other = hostAlone();
    await withRunning(other, { powerOn: false }, async (session, sessionId) => {
      other.limits.set(sessionId, 0);
      const finalized = session.finalize();
      await untilStep(session, 'copyFrozenDisk');
      await session.throttle({ paused: true });
      other.change(`vm-${sessionId}`, { powerState: 'poweredOn' });
      // The fake target goes on all the same; what is looked at is that it is let go.
      await failureOf(finalized);
      expect(other.limits.size).toBe(0);
      const { log } = await session.status();
      expect(log.map(({ message }) => message).join()).toContain('powered the VM on');
    });
  });
});

describe.concurrent('a cold finalize whose VM somebody powers on', () => {
  it('before its copying begins is not held back', async () => {
    const world = hostAlone();
    const before = { ...world.activities };
    const begun = Promise.withResolvers<undefined>();
    const seen = Promise.withResolvers<undefined>();
    Object.assign(world.activities, {
      freezeDisks: async (input: CrossingStepInput) => {
        const disks = await before.freezeDisks(input);
        begun.resolve(undefined);
        await seen.promise;
        return disks;
      },
    });
    await withRunning(world, {}, async (session, sessionId) => {
      const finalized = failureOf(session.finalize({ vmotion: 'cold', throttle: MIB }));
      await begun.promise;
      await eventually('that it is off', async () =>
        (await session.status()).powerState === 'poweredOff' ? true : undefined,
      );
      world.change(`vm-${sessionId}`, { powerState: 'poweredOn' });
      await eventually('that it is on', async () =>
        (await session.status()).powerState === 'poweredOn' ? true : undefined,
      );
      seen.resolve(undefined);
      await finalized;
      expect(world.calls).toContain('copyFrozenDisk');
      expect(world.calls).not.toContain('limitReads');
    });
  });
});

describe.concurrent('is refused in words', () => {
  it('of a session that runs, is migrated live, or with a short outage', async () => {
    const live = new FakeWorld();
    live.migrationEnds = false;
    await withRunning(live, {}, async (session) => {
      const running = await failureOf(session.throttle({ bytesPerSecond: MIB }));
      expect(running).toMatchObject({ type: 'NotSupported' });
      expect((running as Error).message).toContain('its guest reads');
      void session.finalize().catch(() => undefined);
      await untilStep(session, 'migrateVm');
      const refused = await failureOf(session.throttle({ paused: true }));
      expect((refused as Error).message).toContain('is migrated live');
      await session.cancelFinalize();
    });
    const outage = hostAlone();
    await withRunning(outage, {}, async (session, sessionId) => {
      outage.limits.set(sessionId, 0);
      const finalized = session.finalize();
      await untilStep(session, 'copyFrozenDisk');
      const refused = await failureOf(session.throttle({ paused: true }));
      expect((refused as Error).message).toContain('with a short outage');
      outage.limits.delete(sessionId);
      await finalized;
      expect(limitCalls(outage)).toEqual([]);
    });
  });
});

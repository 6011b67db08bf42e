// Keeps against a world in memory: the session runs on whatever becomes of them, nothing takes its changes away
// meanwhile, and one keep is one job.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StartInput } from '../contract/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
  type TestSession,
} from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';

let harness: SessionHarness;

beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

async function withRunning(
  world: FakeWorld,
  body: (session: TestSession, moref: string) => Promise<void>,
  changes: Partial<StartInput> = {},
): Promise<void> {
  const input = startInput(changes);
  await harness.withSession(input, world, async (session) => {
    await session.untilState('running');
    await body(session, `vm-${input.sessionId}`);
  });
}

/** Begins a keep that does not end by itself; answers its failure. */
async function beginKeep(world: FakeWorld, session: TestSession): Promise<Promise<unknown>> {
  world.keepEnds = false;
  const failed = failureOf(session.keep());
  await eventually('the keep', () => (world.calls.includes('keepSession') ? true : undefined));
  return Promise.resolve(failed);
}

describe.concurrent('a keep', () => {
  it('answers the job, and the session runs on until it is stopped', async () => {
    const world = new FakeWorld();
    await withRunning(world, async (session) => {
      expect(await session.keep()).toMatchObject({ baseJobId: 'job-2', job: { jobId: 'job-3' } });
      const status = await session.status();
      expect(status).toMatchObject({ state: 'running', status: 'OK', progressPercent: 100 });
      expect(status.keep).toMatchObject({ outcome: 'done', jobId: 'job-3', doneBytes: 100, storedBytes: 20 });
      // As often as one likes.
      await session.keep();
      expect(await session.stop()).toMatchObject({ state: 'stopped' });
    });
    expect(world.kept.size).toBe(2);
    expect(world.leftovers).toEqual([]);
  });

  it('says that its job has the damage that the verify found under it', async () => {
    const world = new FakeWorld();
    world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
    await withRunning(
      world,
      async (session) => {
        await eventually('the verify', async () =>
          (await session.status()).verify.state === 'failed' ? true : undefined,
        );
        await session.keep();
        const { log } = await session.status();
        const warnings = log.filter(({ level }) => level === 'warning').map(({ message }) => message);
        expect(warnings).toContainEqual(expect.stringContaining('has that damage, too'));
        await session.stop();
      },
      { verify: 'beside' },
    );
  });

  it('is refused in words where the changes are not at the gateway', async () => {
    const world = new FakeWorld();
    const changes = { datastore: 'vmfs02' };
    await withRunning(
      world,
      async (session) => {
        expect(await failureOf(session.keep())).toMatchObject({ type: 'NotSupported' });
        await session.stop();
      },
      { changes },
    );
    expect(world.calls).not.toContain('keepSession');
  });

  it('is one keep however often its step is tried', async () => {
    const world = new FakeWorld();
    world.faults.set('keepSession', 'passing');
    await withRunning(world, async (session) => {
      await session.keep();
      await session.stop();
    });
    expect(world.calls.filter((name) => name === 'keepSession')).toHaveLength(2);
    expect(world.kept.size).toBe(1);
  });

  it('that fails says why, and can be asked for again', async () => {
    const world = new FakeWorld();
    world.faults.set('keepSession', 'before');
    await withRunning(world, async (session) => {
      const failure = await failureOf(session.keep());
      expect(failure).toMatchObject({ message: expect.stringContaining('keepSession') as string });
      const status = await session.status();
      expect(status).toMatchObject({ state: 'running', status: 'OK', keep: { outcome: 'failed' } });
      expect(status.keep?.failure?.message).toContain('keepSession');
      world.faults.delete('keepSession');
      await session.keep();
      await session.stop();
    });
  });

  it('is in nobody’s way but of what would take the changes away', async () => {
    const world = new FakeWorld();
    await withRunning(world, async (session, moref) => {
      const kept = beginKeep(world, session);
      await eventually('progress', async () =>
        (await session.status()).keep?.doneBytes === 50 ? true : undefined,
      );
      for (const ask of ['stop', 'finalize', 'keep'] as const) {
        expect(await failureOf(session[ask]())).toMatchObject({ type: 'AlreadyKeeping' });
      }
      // A cancel of the Workflow is nothing to a session that runs, nor to what is kept of it.
      await session.handle.cancel();
      await eventually('the cancel', async () =>
        (await session.status()).log.some(({ message }) => message.includes('A cancel of'))
          ? true
          : undefined,
      );
      expect((await session.status()).keep?.outcome).toBe('underWay');
      expect(await session.cancelKeep()).toMatchObject({ outcome: 'cancelled' });
      expect(await kept).toMatchObject({ type: 'KeepCancelled' });
      expect(await session.status()).toMatchObject({ state: 'running', keep: { outcome: 'cancelled' } });
      expect(await failureOf(session.cancelKeep())).toMatchObject({ type: 'NotKeeping' });
      expect(world.vms.get(moref)).toMatchObject({ powerState: 'poweredOn', standing: 'ours' });
      await session.stop();
    });
    expect(world.kept.size).toBe(0);
    expect(world.leftovers).toEqual([]);
  });

  it('is waited for when somebody migrates the VM by hand meanwhile', async () => {
    const world = new FakeWorld();
    await withRunning(world, async (session, moref) => {
      const kept = beginKeep(world, session);
      await eventually('the keep', () => (world.calls.includes('keepSession') ? true : undefined));
      world.change(moref, { standing: 'moved' });
      await eventually('the watch', async () =>
        (await session.status()).log.some(({ message }) => message.includes('moved to production'))
          ? true
          : undefined,
      );
      expect(await session.status()).toMatchObject({ state: 'running' });
      expect(world.exports.size).toBe(1);
      await session.cancelKeep();
      await kept;
      expect(await session.handle.result()).toMatchObject({ state: 'finalized' });
    });
  });
});

describe.concurrent('a keep is refused', () => {
  it('before the VM runs', async () => {
    const world = new FakeWorld();
    world.faults.set('mount', 'hang');
    await harness.withSession(startInput(), world, async (session) => {
      await eventually('the mount', () => (world.calls.includes('mount') ? true : undefined));
      expect(await failureOf(session.keep())).toMatchObject({ type: 'NotRunning' });
      await session.stop();
    });
  });

  it('of a VM that goes to production', async () => {
    const world = new FakeWorld();
    world.migrationEnds = false;
    await withRunning(world, async (session) => {
      const finalized = failureOf(session.finalize());
      await eventually('the migration', () => (world.calls.includes('migrateVm') ? true : undefined));
      expect(await failureOf(session.keep())).toMatchObject({ type: 'AlreadyFinalizing' });
      await session.cancelFinalize();
      await finalized;
      await session.keep();
      await session.stop();
    });
  });

  it('of what is discarded: a session that is being stopped, and a drill’s', async () => {
    const world = new FakeWorld();
    world.faults.set('powerOffVm', 'hang');
    await withRunning(world, async (session) => {
      const stopped = session.stop();
      stopped.catch(() => undefined);
      await eventually('the stop', () => (world.calls.includes('powerOffVm') ? true : undefined));
      expect(await failureOf(session.keep())).toMatchObject({ type: 'AlreadyStopping' });
      await session.handle.terminate();
    });
    const drilled = new FakeWorld();
    const placement = { network: 'isolated' as const };
    await withRunning(
      drilled,
      async (session) => {
        expect(await failureOf(session.keep())).toMatchObject({ type: 'NotSupported' });
        await session.stop();
      },
      { placement },
    );
  });
});

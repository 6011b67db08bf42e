// Sessions against a world in memory: whatever fails, is cancelled or times out, at whatever step, nothing leaks.
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPORT_SIGNAL } from '../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from '../test/fake-world.ts';
import { failureOf, openSessionHarness, type SessionHarness, startInput } from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';

let harness: SessionHarness;

beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const withSession: SessionHarness['withSession'] = (...args) => harness.withSession(...args);

describe.concurrent('a session that goes well', () => {
  it('runs with status OK at 100 per cent, and stop leaves nothing', async () => {
    const world = new FakeWorld();
    await withSession(startInput({ verify: 'beside' }), world, async (session) => {
      await session.untilState('running');
      const status = await eventually('guest and verify', async () => {
        const now = await session.status();
        return now.timings.guestReadyMs !== undefined && now.verify.state === 'passed' ? now : undefined;
      });
      expect(status).toMatchObject({
        status: 'OK',
        progressPercent: 100,
        jobId: 'job-2',
        powerState: 'poweredOn',
      });
      expect(status.timings.poweredOnMs).toBeGreaterThanOrEqual(0);
      expect(await session.stop()).toMatchObject({ state: 'stopped' });
      expect(await session.handle.result()).toMatchObject({ state: 'stopped' });
      expect(world.leftovers).toEqual([]);
      const last = await session.status();
      expect(last).toMatchObject({ state: 'stopped', status: 'OK', progressPercent: 100 });
      expect(last.log.at(-1)?.message).toContain('Stopped');
    });
  });
});

it('passes over a report that comes late, and one that it does not know', async () => {
  await withSession(startInput({ verify: 'beside' }), new FakeWorld(), async (session) => {
    const settled = await eventually('guest and verify', async () => {
      const now = await session.status();
      return now.guest === 'ready' && now.verify.state === 'passed' ? now : undefined;
    });
    const verify = { kind: 'verify', checkedBytes: 1, totalBytes: 2, findings: ['late'] };
    const copy = { kind: 'copy', percent: 3, bytesPerSecond: 4 };
    const migration = { kind: 'migration', percent: 5, bytesPerSecond: 6, leftMs: 7 };
    for (const late of [verify, copy, migration]) await session.handle.signal(REPORT_SIGNAL, late);
    await session.handle.signal(REPORT_SIGNAL, { kind: 'note', level: 'info', message: 'heard' });
    const heard = await eventually('the note', async () => {
      const now = await session.status();
      return now.log.at(-1)?.message === 'heard' ? now : undefined;
    });
    expect({ ...heard, log: [] }).toEqual({ ...settled, log: [] });
    await session.stop();
  });
});

describe.concurrent('a session whose changes go to a production datastore', () => {
  const changes = { datastore: 'vmfs02' };
  it('has its folder from before its VM until after it', async () => {
    const world = new FakeWorld();
    await withSession(startInput({ changes }), world, async (session) => {
      const { sessionId, changes: folder } = await session.untilState('running');
      expect(folder).toEqual({ datastore: 'vmfs02', folder: `rundirect-${sessionId}` });
      await session.stop();
      expect(await session.status()).toMatchObject({ state: 'stopped', progressPercent: 100 });
    });
    expect(world.leftovers).toEqual([]);
    const order: StepName[] = ['claimChangesFolder', 'registerVm', 'redirectChanges', 'powerOnVm'];
    const back: StepName[] = ['unregisterVm', 'removeChangesFolder', 'unmount'];
    const way = [...order, ...back];
    expect(world.calls.filter((step) => way.includes(step))).toEqual(way);
  });

  it.each<[StepName, Fault]>([
    ['claimChangesFolder', 'before'],
    ['claimChangesFolder', 'after'],
    ['redirectChanges', 'before'],
    ['redirectChanges', 'after'],
    ['powerOnVm', 'after'],
  ])('is undone whole when its start fails at %s, %s it acted', async (step, fault) => {
    const world = new FakeWorld();
    world.faults.set(step, fault);
    await withSession(startInput({ changes }), world, async (session) => {
      expect(await failureOf(session.handle.result())).toMatchObject({ type: 'NotSupported' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it('is cleaned up after when somebody moves its VM by hand', async () => {
    const world = new FakeWorld();
    const input = startInput({ changes });
    await withSession(input, world, async (session) => {
      await session.untilState('running');
      world.change(`vm-${input.sessionId}`, { standing: 'moved' });
      expect(await session.handle.result()).toMatchObject({ state: 'finalized' });
    });
    expect(world.leftovers).toEqual([`VM vm-${input.sessionId}`]);
  });
});

const startSteps: StepName[] = ['preflight', 'verifyChain', 'publish', 'mount', 'registerVm', 'powerOnVm'];

describe.concurrent('a start that fails', () => {
  const faults: Fault[] = ['before', 'after'];
  it.each(startSteps.flatMap((step) => faults.map((fault) => [step, fault] as const)))(
    'at %s (%s it acted) is undone, and ends with that failure',
    async (step, fault) => {
      const world = new FakeWorld();
      world.faults.set(step, fault);
      await withSession(startInput({ verify: 'before' }), world, async (session) => {
        const cause = await failureOf(session.handle.result());
        expect(cause).toBeInstanceOf(ApplicationFailure);
        expect(cause).toMatchObject({ type: 'NotSupported', message: `${step} was told to fail` });
        expect(await session.status()).toMatchObject({ state: 'failed', status: 'Error' });
      });
      expect(world.leftovers).toEqual([]);
    },
  );

  it.each(startSteps.filter((step) => step !== 'verifyChain'))(
    'at %s by time-out is undone',
    async (step) => {
      const world = new FakeWorld();
      world.faults.set(step, 'hang');
      await withSession(startInput({ stepTimeoutMs: 700 }), world, async (session) => {
        expect(await failureOf(session.handle.result())).toMatchObject({ type: 'SiteUnavailable' });
      });
      expect(world.leftovers).toEqual([]);
    },
  );

  it.each(startSteps)('at %s for a moment goes on', async (step) => {
    const world = new FakeWorld();
    world.faults.set(step, 'passing');
    await withSession(startInput({ verify: 'before' }), world, async (session) => {
      await session.untilState('running');
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('because verify found damage names it, and publishes nothing', async () => {
    const world = new FakeWorld();
    world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
    await withSession(startInput({ verify: 'before' }), world, async (session) => {
      const cause = await failureOf(session.handle.result());
      expect(cause).toMatchObject({ type: 'BlockCorrupt' });
      expect((cause as Error).message).toContain('block 7');
    });
    expect(world.calls).not.toContain('publish');
  });

  it('and whose undoing fails for a while tells what it waits for, and gets there', async () => {
    const world = new FakeWorld();
    world.faults.set('powerOnVm', 'after');
    world.faults.set('unmount', 'before');
    await withSession(startInput(), world, async (session) => {
      await eventually('a word about the unmount', async () =>
        (await session.status()).log.find(({ message }) => message.includes('Could not unmount')),
      );
      expect(world.leftovers).not.toEqual([]);
      world.faults.delete('unmount');
      expect(await failureOf(session.handle.result())).toMatchObject({
        message: 'powerOnVm was told to fail',
      });
    });
    expect(world.leftovers).toEqual([]);
  });

  it('with malformed input says which field', async () => {
    const world = new FakeWorld();
    await withSession(startInput({ reserveFactor: -1 }), world, async (session) => {
      const cause = await failureOf(session.handle.result());
      expect(cause).toMatchObject({ type: 'InvalidInput' });
      expect((cause as Error).message).toContain('reserveFactor');
    });
    expect(world.calls).toEqual([]);
  });
});

describe.concurrent('a start that somebody ends', () => {
  it.each(startSteps)('by cancel at %s is undone', async (step) => {
    const world = new FakeWorld();
    world.faults.set(step, 'hang');
    await withSession(startInput({ verify: 'before' }), world, async (session) => {
      await eventually(step, () => (world.calls.includes(step) ? true : undefined));
      await session.handle.cancel();
      expect(await failureOf(session.handle.result())).toBeInstanceOf(CancelledFailure);
      expect(await session.status()).toMatchObject({ state: 'cancelled' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it.each(startSteps)('by stop at %s is undone, and the stop is answered', async (step) => {
    const world = new FakeWorld();
    world.faults.set(step, 'hang');
    await withSession(startInput({ verify: 'before' }), world, async (session) => {
      await eventually(step, () => (world.calls.includes(step) ? true : undefined));
      expect(await session.stop()).toMatchObject({ state: 'cancelled' });
      expect(await session.handle.result()).toMatchObject({ state: 'cancelled' });
    });
    expect(world.leftovers).toEqual([]);
  });
});

describe.concurrent('a running session', () => {
  it('takes no second stop while one is under way', async () => {
    const world = new FakeWorld();
    world.faults.set('unmount', 'hang');
    await withSession(startInput(), world, async (session) => {
      await session.untilState('running');
      const first = failureOf(session.stop());
      await eventually('unmount', () => (world.calls.includes('unmount') ? true : undefined));
      expect(await failureOf(session.stop())).toMatchObject({ type: 'AlreadyStopping' });
      world.faults.delete('unmount');
      await session.handle.terminate();
      await first;
    });
  });

  it('is not ended by a cancel: only by a stop', async () => {
    const world = new FakeWorld();
    await withSession(startInput(), world, async (session) => {
      await session.untilState('running');
      await session.handle.cancel();
      await eventually('a word about it', async () =>
        (await session.status()).log.find(({ message }) => message.includes('use `rundirect stop`')),
      );
      expect(world.vms.size).toBe(1);
      expect(await session.stop()).toMatchObject({ state: 'stopped' });
      expect(await session.handle.result()).toMatchObject({ state: 'stopped' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it('goes on when its guest powers itself off', async () => {
    const world = new FakeWorld();
    const input = startInput();
    await withSession(input, world, async (session) => {
      await session.untilState('running');
      await eventually('the watch', () => (world.calls.includes('watchVm') ? true : undefined));
      await eventually('the guest', async () =>
        (await session.status()).guest === 'ready' ? true : undefined,
      );
      world.change(`vm-${input.sessionId}`, { powerState: 'poweredOff' });
      await eventually('powered off', async () =>
        (await session.status()).powerState === 'poweredOff' ? true : undefined,
      );
      expect(await session.status()).toMatchObject({ state: 'running', status: 'OK', guest: 'off' });
      world.change(`vm-${input.sessionId}`, { powerState: 'poweredOn' });
      await eventually('the guest to be up again', async () => {
        const { powerState, guest } = await session.status();
        return powerState === 'poweredOn' && guest === 'ready' ? true : undefined;
      });
      expect((await session.status()).log.at(-1)?.message).toContain('up again');
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('goes on when a part of its VM was moved, and the stop says so', async () => {
    const world = new FakeWorld();
    const input = startInput();
    const moref = `vm-${input.sessionId}`;
    await withSession(input, world, async (session) => {
      await session.untilState('running');
      world.change(moref, { standing: 'partlyMoved' });
      expect(await failureOf(session.stop())).toMatchObject({ type: 'VmMoved' });
      expect(await session.status()).toMatchObject({ state: 'running' });
      expect(world.exports.size).toBe(1);
      world.change(moref, { standing: 'ours' });
      expect(await session.stop()).toMatchObject({ state: 'stopped' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it('says that the guest did not come, and runs on', async () => {
    const world = new FakeWorld();
    world.guestComes = false;
    await withSession(startInput(), world, async (session) => {
      await session.untilState('running');
      const status = await eventually('a warning', async () => {
        const now = await session.status();
        return now.status === 'Warning' ? now : undefined;
      });
      expect(status.log.some(({ message }) => message.includes('No heartbeat'))).toBe(true);
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('turns to Error when verify finds damage, and runs on', async () => {
    const world = new FakeWorld();
    world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
    await withSession(startInput({ verify: 'beside' }), world, async (session) => {
      const status = await eventually('the finding', async () => {
        const now = await session.status();
        return now.verify.state === 'failed' ? now : undefined;
      });
      expect(status).toMatchObject({ state: 'running', status: 'Error' });
      expect(status.log.filter(({ level }) => level === 'error')).toHaveLength(1);
      await session.stop();
    });
    expect(world.leftovers).toEqual([]);
  });
});

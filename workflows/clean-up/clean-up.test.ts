// What a session leaves whose Workflow is terminated, at any step, and that a clean-up under its id removes all of it:
// but no guest that runs, unless that was said, and no VM that is not the session's alone.
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type CleanUpInput,
  drillSessionId,
  type SessionStatus,
  type StartInput,
  type StopResult,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { FakeWorld } from '../../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
} from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';
import { cleanUpInput } from '../../test/workflow-inputs.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

function begin(input: StartInput, changes: Partial<CleanUpInput> = {}) {
  return harness.temporal.client.workflow.start(WorkflowType.cleanUp, {
    workflowId: input.sessionId,
    taskQueue: WORKFLOW_TASK_QUEUE,
    args: [cleanUpInput(input, changes)],
  });
}

async function cleanUp(input: StartInput, changes: Partial<CleanUpInput> = {}): Promise<StopResult> {
  const handle = await begin(input, changes);
  return (await handle.result()) as StopResult;
}

/** A session that is terminated while it runs; `body` has what it left. */
async function terminated(
  world: FakeWorld,
  input: StartInput,
  body: (moref: string) => Promise<void>,
): Promise<void> {
  await harness.withSession(input, world, async (session) => {
    const { vm } = await session.untilState('running');
    await session.handle.terminate();
    await body(vm?.moref ?? '');
  });
}

it('a guest that runs is powered off only where that is said; then nothing is left', async () => {
  const [world, input] = [new FakeWorld(), startInput({ changes: { datastore: 'prod' } })];
  await terminated(world, input, async (moref) => {
    world.turns = [{ sessionId: input.sessionId, places: ['ds-1'] }];
    world.limits.set(input.sessionId, 0);
    const before = world.leftovers;
    expect(before).toHaveLength(7);
    expect(await failureOf(cleanUp(input))).toMatchObject({ type: 'GuestRuns' });
    expect(world.leftovers).toEqual(before);
    expect(world.vms.get(moref)?.powerState).toBe('poweredOn');
    expect(await cleanUp(input, { powerOff: true })).toMatchObject({ state: 'stopped' });
    expect(world.leftovers).toEqual([]);
    expect(await cleanUp(input)).toMatchObject({ state: 'stopped' });
  });
});

it('a VM that is off is removed as it is', async () => {
  const [world, input] = [new FakeWorld(), startInput({ powerOn: false })];
  await terminated(world, input, async () => {
    expect(await cleanUp(input)).toMatchObject({ state: 'stopped' });
    expect(world.leftovers).toEqual([]);
    expect(world.calls).not.toContain('powerOffVm');
  });
});

it.each(['publish', 'mount', 'claimChangesFolder', 'registerVm', 'redirectChanges', 'powerOnVm'] as const)(
  'terminated in the middle of %s, it leaves nothing after a clean-up',
  async (step) => {
    const [world, input] = [new FakeWorld(), startInput({ changes: { datastore: 'prod' } })];
    world.faults.set(step, 'hang');
    await harness.withSession(input, world, async ({ handle }) => {
      await eventually(`${step} to act`, async () => (world.calls.includes(step) ? true : undefined));
      await handle.terminate();
      expect(world.leftovers).not.toEqual([]);
      world.faults.delete(step);
      await cleanUp(input, { powerOff: true });
      expect(world.leftovers).toEqual([]);
    });
  },
);

it.each(['crossing', 'partlyMoved'] as const)(
  'a VM that is %s is left alone with all it stands on',
  async (standing) => {
    const [world, input] = [new FakeWorld(), startInput()];
    await terminated(world, input, async (moref) => {
      world.change(moref, { standing });
      const before = world.leftovers;
      const failure = await failureOf(cleanUp(input, { powerOff: true }));
      expect(failure).toMatchObject({ type: 'VmMoved', message: expect.stringContaining('web01') as string });
      expect(world.leftovers).toEqual(before);
    });
  },
);

it('a VM that somebody moved to production runs on there, without the marks', async () => {
  const [world, input] = [new FakeWorld(), startInput()];
  await terminated(world, input, async (moref) => {
    world.change(moref, { standing: 'moved' });
    expect(await cleanUp(input)).toMatchObject({ state: 'finalized' });
    expect(world.leftovers).toEqual([`VM ${moref}`]);
    expect(world.vms.get(moref)).toMatchObject({ powerState: 'poweredOn', marked: false });
  });
});

it('insists while the target is away', async () => {
  const [world, input] = [new FakeWorld(), startInput({ powerOn: false })];
  await terminated(world, input, async () => {
    world.faults.set('unregisterVm', 'passing');
    world.faults.set('unmount', 'passing');
    await cleanUp(input);
    expect(world.leftovers).toEqual([]);
  });
});

it('a VM that somebody powers on after the look is not powered off', async () => {
  const [world, input] = [new FakeWorld(), startInput({ powerOn: false })];
  const { activities } = world;
  const before = { ...activities };
  activities.lookForTraces = async (asked) => {
    const traces = await before.lookForTraces(asked);
    for (const { moref } of traces.vms) world.change(moref, { powerState: 'poweredOn' });
    return traces;
  };
  await terminated(world, input, async (moref) => {
    expect(await failureOf(cleanUp(input))).toMatchObject({ type: 'GuestRuns' });
    expect(world.vms.get(moref)?.powerState).toBe('poweredOn');
    expect(world.mounted && world.exports.has(input.sessionId)).toBe(true);
  });
});

it('a VM that comes late and runs is left to run, with all that it stands on', async () => {
  const [world, input] = [new FakeWorld(), startInput({ powerOn: false })];
  world.activities.unmount = async ({ sparesGuest }) => {
    throw ApplicationFailure.nonRetryable(`spares its guest: ${String(sparesGuest)}`, 'GuestRuns');
  };
  await terminated(world, input, async () => {
    const failure = await failureOf(cleanUp(input));
    expect(failure).toMatchObject({ type: 'GuestRuns', message: 'spares its guest: true' });
    expect(world.exports.has(input.sessionId)).toBe(true);
  });
});

it('what a step of the ended Workflow brings back is removed, too', async () => {
  const [world, input] = [new FakeWorld(), startInput({ powerOn: false })];
  const { activities } = world;
  const before = { ...activities };
  let late = 1;
  activities.unmount = async (asked) => {
    const answer = await before.unmount(asked);
    if (late-- > 0) await before.mount(asked);
    return answer;
  };
  await terminated(world, input, async () => {
    await cleanUp(input);
    expect(world.leftovers).toEqual([]);
  });
});

it('is asked how it is, and answers in words what it can not be asked', async () => {
  const [world, input] = [new FakeWorld(), startInput()];
  await terminated(world, input, async () => {
    world.faults.set('unmount', 'hang');
    const handle = await begin(input, { powerOff: true });
    const status = await eventually('the unmount', async () => {
      const now = await handle.query<SessionStatus>('status');
      return now.step === 'unmount the datastore' ? now : undefined;
    });
    expect(status).toMatchObject({ state: 'stopping', vmName: 'web01' });
    const stop = handle.executeUpdate('stop', { args: [{}] });
    expect(await failureOf(stop)).toMatchObject({ type: 'NotSupported' });
    world.faults.delete('unmount');
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    expect((await handle.query<SessionStatus>('status')).state).toBe('cancelled');
    expect(world.exports.size).toBe(1);
    await cleanUp(input);
    expect(world.leftovers).toEqual([]);
  });
});

it('of a drill, its network goes too', async () => {
  const sessionId = drillSessionId('night', 1);
  const [world, input] = [new FakeWorld(), startInput({ sessionId, placement: { network: 'isolated' } })];
  await terminated(world, input, async () => {
    world.networks.add('night');
    await cleanUp(input, { powerOff: true });
    expect(world.leftovers).toEqual([]);
  });
});

it('of a browse, which is on no target, the export goes', async () => {
  const [world, input] = [new FakeWorld(), startInput()];
  world.exports.add(input.sessionId);
  world.activities.lookForTraces = async () => ({ place: undefined, hosts: [], vms: [] });
  await harness.withSession(startInput({ site: input.site }), world, async (session) => {
    await cleanUp(input, { target: undefined });
    expect([...world.exports]).not.toContain(input.sessionId);
    await session.untilState('running');
    await session.stop();
  });
});

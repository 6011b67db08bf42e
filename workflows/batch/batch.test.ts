// Batches against a world in memory: one that fails leaves the others alone, stops and migrations are told of each,
// and nothing stays.
import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { WorkflowFailedError, type WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type BatchAnswer,
  BatchMessage,
  DEFAULT_PARALLEL_MIGRATIONS,
  MAX_PARALLEL_STARTS,
  SessionMessage,
  type SiteActivities,
  type StopResult,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { batchInput, isUp, statesOf, withBatch } from '../../test/batch-harness.ts';
import { FakeWorld } from '../../test/fake-world.ts';
import { openSessionHarness, type SessionHarness } from '../../test/session-harness.ts';

vi.setConfig({ testTimeout: 120_000 });

let harness: SessionHarness;
let temporal: TestWorkflowEnvironment;

beforeAll(async () => {
  harness = await openSessionHarness();
  ({ temporal } = harness);
});
afterAll(() => harness.close());

/** Blocks every call until the test lets it go, and counts those that are inside. */
function gate() {
  let inside = 0;
  let most = 0;
  let isOpen = false;
  return {
    get inside() {
      return inside;
    },
    get most() {
      return most;
    },
    open: () => {
      isOpen = true;
    },
    pass: async () => {
      inside += 1;
      most = Math.max(most, inside);
      while (!isOpen) {
        Context.current().heartbeat();
        await Promise.race([delay(20), Context.current().cancelled]);
      }
      inside -= 1;
    },
  };
}

describe('a batch', () => {
  it('runs each VM as a session of its own, and ends when all are stopped, with nothing left', async () => {
    const world = new FakeWorld();
    const input = batchInput(['web01', 'db01', 'app01']);
    await withBatch(temporal, input, world.activities, async (batch) => {
      const up = await batch.until('all run', isUp);
      expect(up).toMatchObject({ batchId: input.batchId, backupSet: 'web' });
      expect(
        up.vms.map(({ sessionId, vmName, jobId, powerState }) => [sessionId, vmName, jobId, powerState]),
      ).toEqual(
        ['web01', 'db01', 'app01'].map((vm, index) => [
          `${input.batchId}-${index + 1}`,
          vm,
          'job-2',
          'poweredOn',
        ]),
      );
      const { vms } = await batch.stop({ reason: 'a test' });
      expect(statesOf({ vms })).toEqual(['stopped', 'stopped', 'stopped']);
      expect(statesOf(await batch.handle.result())).toEqual(['stopped', 'stopped', 'stopped']);
      expect(await batch.status()).toMatchObject({ state: 'ended' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it('leaves the others alone when one lacks something, or fails on its way', async () => {
    const world = new FakeWorld();
    world.broken.add('db01');
    const input = batchInput(['web01', 'db01', 'app01']);
    const activities: SiteActivities = {
      ...world.activities,
      registerVm: async (step) => {
        if (step.placement.vmName === 'app01') throw ApplicationFailure.nonRetryable('taken', 'NameTaken');
        return world.activities.registerVm(step);
      },
    };
    await withBatch(temporal, input, activities, async (batch) => {
      const { vms } = await batch.until('web01 runs', (now) => isUp(now) && statesOf(now)[2] === 'failed');
      expect(statesOf({ vms })).toEqual(['running', 'notStarted', 'failed']);
      expect(vms[1]?.failure).toEqual({ type: 'ChainBroken', message: 'db01 lacks a file' });
      expect(vms[2]?.failure).toMatchObject({ type: 'NameTaken' });
      expect((await batch.stop()).vms.map(({ vmName }) => vmName)).toEqual(['web01']);
      expect(statesOf(await batch.handle.result())).toEqual(['stopped', 'notStarted', 'failed']);
    });
    expect(world.leftovers).toEqual([]);
  });

  it('starts nothing where its preflight fails', async () => {
    const world = new FakeWorld();
    world.faults.set('preflightBatch', 'before');
    await withBatch(temporal, batchInput(['web01', 'db01']), world.activities, async (batch) => {
      const error: unknown = await batch.handle.result().catch((thrown: unknown) => thrown);
      expect((error as WorkflowFailedError).cause).toMatchObject({ type: 'NotSupported' });
      expect(await batch.status()).toMatchObject({ state: 'failed', failure: { type: 'NotSupported' } });
    });
    expect(world.calls).toEqual(['preflightBatch']);
  });

  it('starts so many at a time, and not those that a stop came before', async () => {
    const world = new FakeWorld();
    const publishing = gate();
    const activities: SiteActivities = {
      ...world.activities,
      publish: async (step) => {
        await publishing.pass();
        return world.activities.publish(step);
      },
    };
    const vms = Array.from({ length: MAX_PARALLEL_STARTS + 2 }, (_, index) => `vm${index}`);
    await withBatch(temporal, batchInput(vms), activities, async (batch) => {
      await batch.until('the first ones', () => publishing.inside === MAX_PARALLEL_STARTS);
      const stopping = batch.stop();
      await batch.until('the last ones dropped', (now) => statesOf(now).at(-1) === 'notStarted');
      publishing.open();
      const answer = await stopping;
      expect(new Set(statesOf(answer))).toEqual(new Set(['cancelled', 'notStarted']));
    });
    expect(publishing.most).toBe(MAX_PARALLEL_STARTS);
    expect(world.leftovers).toEqual([]);
  });

  it('says which could not be stopped, and stops the rest of it later', async () => {
    const world = new FakeWorld();
    await withBatch(temporal, batchInput(['web01', 'db01']), world.activities, async (batch) => {
      const { vms } = await batch.until('both run', isUp);
      const moref = vms[0]?.vm?.moref ?? '';
      world.change(moref, { standing: 'partlyMoved' });
      const refused = await batch.stop();
      expect(statesOf(refused)).toEqual(['running', 'stopped']);
      expect(refused.vms[0]?.failure).toMatchObject({ type: 'VmMoved' });
      world.change(moref, { standing: 'ours' });
      expect(statesOf(await batch.stop())).toEqual(['stopped']);
      await batch.handle.result();
    });
    expect(world.leftovers).toEqual([]);
  });

  it('is not stopped by a cancel, and not by being terminated: its sessions are their own', async () => {
    const world = new FakeWorld();
    const input = batchInput(['web01', 'db01']);
    await withBatch(temporal, input, world.activities, async (batch) => {
      await batch.until('both run', isUp);
      await batch.handle.cancel();
      await batch.until('a word', ({ log }) => log.at(-1)?.message.includes('stops no session') === true);
      expect(await batch.states()).toEqual(['running', 'running']);
      await batch.handle.terminate('a test');
      for (const { sessionId } of input.sessions) {
        const session = temporal.client.workflow.getHandle(sessionId);
        expect(await session.query(SessionMessage.status)).toMatchObject({ state: 'running' });
        await session.executeUpdate<StopResult, [object]>(SessionMessage.stop, { args: [{}] });
      }
    });
    expect(world.leftovers).toEqual([]);
  });

  it('goes on with sessions that are stopped, or terminated, by themselves', async () => {
    const world = new FakeWorld();
    const input = batchInput(['web01', 'db01', 'app01']);
    await withBatch(temporal, input, world.activities, async (batch) => {
      await batch.until('all run', isUp);
      const [first = '', second = ''] = input.sessions.map(({ sessionId }) => sessionId);
      await temporal.client.workflow
        .getHandle(first)
        .executeUpdate<StopResult, [object]>(SessionMessage.stop, { args: [{}] });
      await temporal.client.workflow.getHandle(second).terminate('a test');
      await batch.until('both ends', (now) => statesOf(now).join() === 'stopped,terminated,running');
      // One that is named is told, although nothing is left to be done of it: it did not come to production.
      expect((await batch.finalize([first])).vms).toMatchObject([{ state: 'stopped' }]);
      expect((await batch.stop()).vms).toHaveLength(1);
      expect((await batch.handle.result()).vms[1]?.failure).toMatchObject({ type: 'Terminated' });
    });
  });

  it('takes no session id that was used before, and none that is not its own', async () => {
    const world = new FakeWorld();
    const input = batchInput(['web01', 'db01']);
    await temporal.client.workflow.start(WorkflowType.siteInfo, {
      taskQueue: WORKFLOW_TASK_QUEUE,
      workflowId: `${input.batchId}-1`,
      args: [{ site: input.site }],
    });
    await withBatch(temporal, input, world.activities, async (batch) => {
      const { vms } = await batch.until('db01 runs', isUp);
      expect(vms[0]).toMatchObject({ state: 'notStarted', failure: { type: 'SessionIdTaken' } });
      const refused: unknown = await batch.stop({ only: ['other-1'] }).catch((thrown: unknown) => thrown);
      expect((refused as WorkflowUpdateFailedError).cause).toMatchObject({ type: 'InvalidInput' });
      await batch.stop();
    });
    const strange = { ...batchInput(['web01']), batchId: 'another' };
    await withBatch(temporal, strange, world.activities, async (batch) => {
      await expect(batch.handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
    });
  });
});

describe('a batch that is finalized', () => {
  /** Migrations wait for the test, and arrive. */
  function migrating(world: FakeWorld) {
    const moving = gate();
    const activities: SiteActivities = {
      ...world.activities,
      migrateVm: async (step) => {
        await moving.pass();
        return world.activities.migrateVm(step);
      },
    };
    return { moving, activities };
  }

  it('migrates so many at a time', async () => {
    const world = new FakeWorld();
    const { moving, activities } = migrating(world);
    await withBatch(temporal, batchInput(['web01', 'db01', 'app01']), activities, async (batch) => {
      await batch.until('all run', isUp);
      const finalizing = batch.finalize();
      await batch.until('its turns', () => moving.inside === DEFAULT_PARALLEL_MIGRATIONS);
      const { vms } = await batch.until('one that waits', (now) =>
        now.vms.some(({ migration }) => migration === 'waiting'),
      );
      expect(vms.map(({ migration }) => migration).toSorted()).toEqual(['underWay', 'underWay', 'waiting']);
      moving.open();
      expect(statesOf(await finalizing)).toEqual(['finalized', 'finalized', 'finalized']);
      await batch.handle.result();
    });
    expect(moving.most).toBe(DEFAULT_PARALLEL_MIGRATIONS);
  });

  it('does so by itself where it was started so', async () => {
    const world = new FakeWorld();
    const { moving, activities } = migrating(world);
    moving.open();
    const autoMigrate = { datastore: 'prod', vmotion: 'auto' as const };
    const input = batchInput(['web01', 'db01', 'app01'], { autoMigrate });
    await withBatch(temporal, input, activities, async (batch) => {
      expect(statesOf(await batch.handle.result())).toEqual(['finalized', 'finalized', 'finalized']);
    });
    expect(moving.most).toBeLessThanOrEqual(DEFAULT_PARALLEL_MIGRATIONS);
  });

  it('goes on with the others when one fails, which runs as before', async () => {
    const world = new FakeWorld();
    const input = batchInput(['web01', 'db01']);
    const [first = ''] = input.sessions.map(({ sessionId }) => sessionId);
    const activities: SiteActivities = {
      ...world.activities,
      finalizePreflight: async (step) => {
        if (step.sessionId === first) throw ApplicationFailure.nonRetryable('no such datastore', 'NotFound');
        return world.activities.finalizePreflight(step);
      },
    };
    await withBatch(temporal, input, activities, async (batch) => {
      await batch.until('both run', isUp);
      const { vms } = await batch.finalize();
      expect(statesOf({ vms })).toEqual(['running', 'finalized']);
      expect(vms[0]?.failure).toMatchObject({ type: 'NotFound', message: 'no such datastore' });
      expect(statesOf(await batch.stop())).toEqual(['stopped']);
    });
  });

  it('stops one that waits for its turn, and not those that are on their way', async () => {
    const world = new FakeWorld();
    const { moving, activities } = migrating(world);
    await withBatch(temporal, batchInput(['web01', 'db01', 'app01']), activities, async (batch) => {
      await batch.until('all run', isUp);
      const finalizing = batch.finalize();
      await batch.until('its turns', () => moving.inside === DEFAULT_PARALLEL_MIGRATIONS);
      await batch.until('one that waits', (now) => now.vms.some(({ migration }) => migration === 'waiting'));
      const stopped = await batch.stop();
      expect(statesOf(stopped).toSorted()).toEqual(['finalizing', 'finalizing', 'stopped']);
      moving.open();
      expect(statesOf(await finalizing).toSorted()).toEqual(['finalized', 'finalized', 'stopped']);
    });
  });

  it('finalizes some of it, and is called off for the rest', async () => {
    const world = new FakeWorld();
    const { moving, activities } = migrating(world);
    const input = batchInput(['web01', 'db01', 'app01', 'mail01']);
    const chosen = input.sessions.slice(0, 3).map(({ sessionId }) => sessionId);
    await withBatch(temporal, input, activities, async (batch) => {
      await batch.until('all run', isUp);
      const finalizing = batch.finalize(chosen);
      await batch.until('its turns', () => moving.inside === DEFAULT_PARALLEL_MIGRATIONS);
      await batch.handle.executeUpdate<BatchAnswer, []>(BatchMessage.cancelFinalize);
      const { vms } = await finalizing;
      expect(vms.map(({ state, failure }) => [state, failure?.type])).toEqual([
        ['running', 'FinalizeCancelled'],
        ['running', 'FinalizeCancelled'],
        ['running', 'FinalizeCancelled'],
      ]);
      expect(await batch.states()).toEqual(['running', 'running', 'running', 'running']);
      await batch.stop();
    });
    expect(world.leftovers).toEqual([]);
  });
});

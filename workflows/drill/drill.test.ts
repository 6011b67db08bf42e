// Drills against a world in memory: whatever fails, is cancelled or never answers, nothing stays, and the report
// says how it was.
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DrillInput,
  DrillMessage,
  type DrillReport,
  type DrillResult,
  type DrillStatus,
  drillReportSchema,
  drillWorkflowId,
  SessionMessage,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from '../../test/fake-world.ts';
import { atSite, openSessionHarness, type SessionHarness } from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';
import { drillInput } from '../../test/workflow-inputs.ts';

let harness: SessionHarness;
let temporal: TestWorkflowEnvironment;

beforeAll(async () => {
  harness = await openSessionHarness();
  ({ temporal } = harness);
});
afterAll(() => harness.close());

type Drilling = WorkflowHandle<(input: DrillInput) => Promise<DrillResult>>;

async function withDrill<T>(
  input: DrillInput,
  world: FakeWorld,
  body: (drill: Drilling) => Promise<T>,
): Promise<T> {
  return atSite(temporal, input.site, world.activities, async () => {
    const handle = await temporal.client.workflow.start<(input: DrillInput) => Promise<DrillResult>>(
      WorkflowType.drill,
      { taskQueue: WORKFLOW_TASK_QUEUE, workflowId: drillWorkflowId(input.name), args: [input] },
    );
    return body(handle);
  });
}

/** Runs a drill to its end; its report is of the form that scripts read. */
async function report(input: DrillInput, world: FakeWorld): Promise<DrillReport> {
  const result = await withDrill(input, world, (drill) => drill.result());
  expect(world.reports.get(input.name)).toEqual(result.report);
  return drillReportSchema.parse(result.report);
}

describe.concurrent('a drill', () => {
  it('passes with times and a picture, one VM after another, and leaves nothing', async () => {
    const world = new FakeWorld();
    const input = drillInput({ vms: [{ name: 'web01' }, { name: 'db01' }] });
    const passed = await report(input, world);
    expect(passed).toMatchObject({ verdict: 'passed', drillId: input.name, host: 'esx01', leftBehind: [] });
    expect(passed.vms.map(({ vmName, sessionId, verdict }) => [vmName, sessionId, verdict])).toEqual([
      ['web01', `drill-${input.name}-vm1`, 'passed'],
      ['db01', `drill-${input.name}-vm2`, 'passed'],
    ]);
    for (const vm of passed.vms) {
      expect(vm).toMatchObject({ jobId: 'job-2', notes: [], picture: { file: `${vm.sessionId}.png` } });
      expect(vm.guestReadyMs).toBeGreaterThanOrEqual(vm.poweredOnMs ?? Number.NaN);
      expect(vm.removedMs).toBeGreaterThanOrEqual(vm.guestReadyMs ?? Number.NaN);
    }
    expect(world.leftovers).toEqual([]);
    const steps = world.calls.filter((step) =>
      ['powerOnVm', 'dropExport', 'removeDrillNetwork'].includes(step),
    );
    expect(steps).toEqual(['powerOnVm', 'dropExport', 'powerOnVm', 'dropExport', 'removeDrillNetwork']);
  });

  it('fails where the guest never comes, with a picture of what it shows, and goes on with the next', async () => {
    const world = new FakeWorld();
    world.guestComes = false;
    const failed = await report(drillInput({ vms: [{ name: 'web01' }, { name: 'db01' }] }), world);
    expect(failed.verdict).toBe('failed');
    for (const vm of failed.vms) {
      expect(vm).toMatchObject({
        verdict: 'failed',
        reason: expect.stringContaining('no heartbeat') as string,
      });
      expect(vm.picture).toBeDefined();
    }
    expect(world.leftovers).toEqual([]);
  });

  it('fails where the guest comes later than the target', async () => {
    const world = new FakeWorld();
    const failed = await report(drillInput({ rtoMs: 1 }), world);
    expect(failed.vms[0]?.reason).toContain('the target is 0.0 s');
    expect(world.leftovers).toEqual([]);
  });

  it('passes without a target, and without a picture where none can be taken', async () => {
    const world = new FakeWorld();
    world.faults.set('takeDrillPicture', 'before');
    const passed = await report(drillInput({ rtoMs: undefined }), world);
    expect(passed).toMatchObject({ verdict: 'passed', vms: [{ verdict: 'passed' }] });
    expect(passed.vms[0]?.notes).toEqual(['No picture was taken: takeDrillPicture was told to fail']);
    expect(passed.vms[0]?.picture).toBeUndefined();
  });

  it('fails where somebody stops its session', async () => {
    const world = new FakeWorld();
    world.faults.set('takeDrillPicture', 'hang');
    const input = drillInput();
    await withDrill(input, world, async (drill) => {
      await eventually('picture', () => (world.calls.includes('takeDrillPicture') ? true : undefined));
      const session = temporal.client.workflow.getHandle(`drill-${input.name}-vm1`);
      await session.executeUpdate(SessionMessage.stop, { args: [{}] });
      await drill.cancel();
      await drill.result().catch(() => undefined);
    });
    expect(world.reports.get(input.name)).toMatchObject({ verdict: 'failed' });
    expect(world.leftovers).toEqual([]);
  });
});

const sessionSteps: StepName[] = ['preflight', 'publish', 'mount', 'registerVm', 'powerOnVm'];
const ownSteps: StepName[] = ['openDrill', 'makeDrillNetwork'];

describe.concurrent('a drill whose step fails', () => {
  const faults: Fault[] = ['before', 'after'];
  it.each([...ownSteps, ...sessionSteps].flatMap((step) => faults.map((fault) => [step, fault] as const)))(
    '(%s, %s it acted) says why, and leaves nothing',
    async (step, fault) => {
      const world = new FakeWorld();
      world.faults.set(step, fault);
      const failed = await report(drillInput(), world);
      const [vm] = failed.vms;
      const isOwn = ownSteps.includes(step);
      expect(failed).toMatchObject({ verdict: 'failed', leftBehind: [] });
      expect(isOwn ? failed.reason : vm?.reason).toBe(`${step} was told to fail`);
      expect(vm?.verdict).toBe(isOwn ? 'notRun' : 'failed');
      expect(world.leftovers).toEqual([]);
    },
  );

  it.each([...ownSteps, ...sessionSteps])('at %s by time-out leaves nothing', async (step) => {
    const world = new FakeWorld();
    world.faults.set(step, 'hang');
    const failed = await report(drillInput({ stepTimeoutMs: 700 }), world);
    expect(failed).toMatchObject({ verdict: 'failed', leftBehind: [] });
    expect(world.leftovers).toEqual([]);
  });

  it('waits with the report for an undoing step that passes later', async () => {
    const world = new FakeWorld();
    world.faults.set('removeDrillNetwork', 'passing');
    expect(await report(drillInput(), world)).toMatchObject({ verdict: 'passed', leftBehind: [] });
    expect(world.leftovers).toEqual([]);
  });

  it('ends in that failure when it is the report, with nothing left', async () => {
    const world = new FakeWorld();
    world.faults.set('writeDrillReport', 'before');
    await withDrill(drillInput(), world, async (drill) => {
      const error: unknown = await drill.result().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      expect((error as WorkflowFailedError).cause?.message).toContain('its report is not written');
    });
    expect(world.leftovers).toEqual([]);
  });
});

describe.concurrent('a drill that is cancelled', () => {
  it.each([...ownSteps, ...sessionSteps, 'awaitGuest', 'takeDrillPicture'] satisfies StepName[])(
    'at %s leaves nothing but a report, and the rest is not run',
    async (step) => {
      const world = new FakeWorld();
      world.faults.set(step, 'hang');
      const input = drillInput({ vms: [{ name: 'web01' }, { name: 'db01' }], guestTimeoutMs: 60_000 });
      await withDrill(input, world, async (drill) => {
        await eventually(step, () => (world.calls.includes(step) ? true : undefined));
        await drill.cancel();
        const error: unknown = await drill.result().catch((thrown: unknown) => thrown);
        expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
        expect(await drill.query<DrillStatus>(DrillMessage.status)).toMatchObject({ state: 'cancelled' });
      });
      const written = world.reports.get(input.name);
      expect(written).toMatchObject({
        verdict: 'failed',
        reason: expect.stringContaining('cancelled') as string,
      });
      expect(written?.vms[1]?.verdict).toBe('notRun');
      expect(world.leftovers).toEqual([]);
    },
  );

  it('stops its session when it is terminated, too', async () => {
    const world = new FakeWorld();
    world.faults.set('takeDrillPicture', 'hang');
    const input = drillInput();
    await withDrill(input, world, async (drill) => {
      await eventually('picture', () => (world.calls.includes('takeDrillPicture') ? true : undefined));
      await drill.terminate('a test');
      await temporal.client.workflow.getHandle(`drill-${input.name}-vm1`).result();
    });
    expect(world.leftovers).toEqual([`network of ${input.name}`]);
  });
});

describe.concurrent('a schedule', () => {
  it('runs the drill each time under an id of its own', async () => {
    const world = new FakeWorld();
    const input = drillInput();
    const scheduleId = drillWorkflowId(input.name);
    await atSite(temporal, input.site, world.activities, async () => {
      const schedule = await temporal.client.schedule.create({
        scheduleId,
        spec: { intervals: [{ every: '24h' }] },
        action: {
          type: 'startWorkflow',
          workflowType: WorkflowType.drill,
          workflowId: scheduleId,
          taskQueue: WORKFLOW_TASK_QUEUE,
          args: [input],
        },
      });
      await schedule.trigger();
      await eventually('a report', () => (world.reports.size > 0 ? true : undefined));
      await schedule.delete();
    });
    const [[drillId, written] = []] = world.reports;
    expect(drillId).toMatch(new RegExp(`^${input.name}-\\d{8}t\\d{6}z$`));
    expect(written).toMatchObject({ verdict: 'passed', vms: [{ sessionId: `drill-${drillId ?? ''}-vm1` }] });
    expect(world.leftovers).toEqual([]);
  });

  it("is refused where the Workflow's id is not the drill's", async () => {
    const input = drillInput();
    for (const workflowId of [`drill:other-${input.name}`, `anything-${input.name}`]) {
      const handle = await temporal.client.workflow.start(WorkflowType.drill, {
        taskQueue: WORKFLOW_TASK_QUEUE,
        workflowId,
        args: [input],
      });
      const error: unknown = await handle.result().catch((thrown: unknown) => thrown);
      expect((error as WorkflowFailedError).cause).toMatchObject({ type: 'InvalidInput' });
    }
  });
});

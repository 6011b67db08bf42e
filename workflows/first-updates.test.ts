// Updates that come with a Workflow's first Workflow Task, before its first line has run: they are answered as any other.
import { type BaseWorkflowHandle, WithStartWorkflowOperation } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionMessage, type StopResult, WORKFLOW_TASK_QUEUE, WorkflowType } from '../contract/index.ts';
import { FakeWorld, fakePlacement } from '../test/fake-world.ts';
import {
  atSite,
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
} from '../test/session-harness.ts';
import { restoreInput } from '../test/workflow-inputs.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const MIB = 1024 * 1024;

/** Starts a Workflow with an Update in its first Workflow Task; answers what that is answered, and ends the Workflow. */
async function firstAsked(
  type: 'runDirect' | 'restore',
  input: { readonly sessionId: string; readonly site: string },
  world: FakeWorld,
  update: string,
  argument?: object,
): Promise<unknown> {
  const { client } = harness.temporal;
  return atSite(harness.temporal, input.site, world.activities, async () => {
    const startWorkflowOperation = new WithStartWorkflowOperation(type, {
      ...{ taskQueue: WORKFLOW_TASK_QUEUE, workflowId: input.sessionId, args: [input] },
      workflowIdConflictPolicy: 'FAIL',
    });
    const args: [object?] = argument === undefined ? [] : [argument];
    const answer: unknown = await client.workflow
      .executeUpdateWithStart(update, { args, startWorkflowOperation })
      .catch((error: unknown) => failureOf(Promise.reject(error as Error)));
    const handle: BaseWorkflowHandle<() => Promise<StopResult>> = client.workflow.getHandle(input.sessionId);
    await client.workflow
      .getHandle(input.sessionId)
      .executeUpdate(SessionMessage.stop, { args: [{}] })
      .catch(() => undefined);
    await handle.result().catch(() => undefined);
    return answer;
  });
}

describe.concurrent('a session that is asked before its first line has run', () => {
  it.each([
    [SessionMessage.keep, undefined, { type: 'NotRunning', message: /does not run yet: keep it/ }],
    [SessionMessage.cancelKeep, undefined, { type: 'NotKeeping' }],
    [SessionMessage.finalize, { datastore: 'prod', vmotion: 'auto' }, { type: 'NotRunning' }],
    [SessionMessage.cancelFinalize, undefined, { type: 'NotFinalizing' }],
    [SessionMessage.throttle, { paused: true }, { type: 'NotRunning' }],
    [SessionMessage.answer, { questionId: '1', choice: 'a' }, { type: 'NoQuestion' }],
    [SessionMessage.makeRoom, { bytes: MIB }, { type: 'NotRunning' }],
    [SessionMessage.stop, {}, { state: 'cancelled' }],
  ])('answers %s', async (update, argument, { message, ...expected }: Record<string, unknown>) => {
    const world = new FakeWorld();
    const answer = await firstAsked(WorkflowType.runDirect, startInput(), world, update, argument);
    expect(answer).toMatchObject(expected);
    if (message instanceof RegExp) expect((answer as Error).message).toMatch(message);
    expect(world.leftovers).toEqual([]);
  });

  it('keeps what an earlier run of the Workflow left running', async () => {
    const world = new FakeWorld();
    const input = startInput();
    const { sessionId } = input;
    const status = await harness.withSession(startInput(), new FakeWorld(), async (session) => {
      const running = await session.untilState('running');
      await session.stop();
      return running;
    });
    const vm = { moref: `vm-${sessionId}`, name: 'web01', hostName: 'esx01', datastore: 'rundirect-main' };
    world.vms.set(vm.moref, { sessionId, marked: true, powerState: 'poweredOn', standing: 'ours' });
    const exported = { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${sessionId}/web01.vmx` };
    const running = { jobId: 'job-2', placement: fakePlacement, exported, vm };
    const resumed = { status: { ...status, sessionId, vm }, running };
    const answer = firstAsked(
      WorkflowType.runDirect,
      { ...input, ...{ resumed } },
      world,
      SessionMessage.keep,
    );
    expect(await answer).toMatchObject({ job: { jobId: 'job-3' } });
    expect(world.leftovers).toEqual([]);
  });
});

describe.concurrent('a restore that is asked before its first line has run', () => {
  it('is held back from its first READ on, or stopped', async () => {
    const world = new FakeWorld();
    const held = await firstAsked(WorkflowType.restore, restoreInput({}), world, SessionMessage.throttle, {
      ...{ paused: true },
    });
    expect(held).toMatchObject({ throttle: { paused: true } });
    expect(world.leftovers).toEqual([]);
    const stopped = await firstAsked(WorkflowType.restore, restoreInput({}), world, SessionMessage.stop, {});
    expect(stopped).toMatchObject({ state: 'cancelled' });
    expect(world.leftovers).toEqual([]);
  });
});

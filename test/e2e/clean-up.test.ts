// Sessions whose Workflow somebody terminated, or that Temporal does not know any more: they are listed, and one command
// removes each with all that it left; never a guest that runs unless that is said, never a session that goes on.
import { Client, Connection } from '@temporalio/client';
import { beforeAll, expect, test } from 'vitest';
import type { Orphan, SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { prepareVm, SET, VM } from './killed-worker.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const LIMIT_MS = 30_000;

beforeAll(() => prepareVm(suite.house));

async function inTemporal<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: suite.house.stack.temporal.ready.address });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

const terminate = (session: string) =>
  inTemporal(({ workflow }) => workflow.getHandle(session).terminate('an administrator'));

/** As if Temporal's database were lost. */
const forget = (session: string) =>
  inTemporal(async ({ workflow, workflowService, options: { namespace } }) => {
    await workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: session } });
    await until(`Temporal to forget ${session}`, LIMIT_MS, async () =>
      workflow
        .getHandle(session)
        .describe()
        .then(
          () => undefined,
          () => true as const,
        ),
    );
  });

async function orphans(): Promise<readonly Orphan[]> {
  return ((await suite.house.succeed(['orphans'])) as unknown as { orphans: Orphan[] }).orphans;
}

const errorOf = async (args: readonly string[]): Promise<unknown> => {
  const { code, documents } = await suite.house.run(args);
  expect(code).not.toBe(0);
  return documents.at(-1)?.['error'];
};

test('a session that is terminated while its guest runs is removed whole, once that is said', async () => {
  const { house } = suite;
  const { sessionId } = await house.start(SET, VM);
  expect(await orphans()).toEqual([]);
  expect(await errorOf(['clean-up', sessionId])).toMatchObject({ type: 'SessionRuns' });

  await terminate(sessionId);
  const [orphan, ...others] = await orphans();
  expect(others).toEqual([]);
  expect(orphan).toMatchObject({ sessionId, vm: VM, ended: 'terminated', state: 'running' });
  expect(orphan?.changesBytes).toBeGreaterThan(0);

  expect(await errorOf(['clean-up', sessionId])).toMatchObject({ type: 'GuestRuns' });
  expect(await leftovers(house.stack)).toHaveLength(4);
  const { session } = await house.succeed(['clean-up', sessionId, '--power-off']);
  expect(session).toMatchObject({ state: 'stopped', status: 'OK' } satisfies Partial<SessionStatus>);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
  expect(await orphans()).toEqual([]);
  expect(await errorOf(['clean-up', sessionId])).toMatchObject({ type: 'NothingLeft' });
});

test('one that is terminated in the middle of its start, and forgotten by Temporal, is removed from what gateway and target know', async () => {
  const { house } = suite;
  const lab = house.stack.lab.ready;
  await lab.addFault({ method: 'RegisterVM_Task', action: 'drop', times: 1 });
  const begun = await house.succeed([...house.startFlags(SET, VM), '--detach']);
  const sessionId = begun['sessionId'] as string;
  await until('the VM to be registered', LIMIT_MS, async () =>
    (await lab.faults()).length === 0 ? true : undefined,
  );
  await terminate(sessionId);
  await forget(sessionId);
  expect(await orphans()).toMatchObject([{ sessionId, ended: 'unknown' }]);
  expect(await errorOf(['clean-up', sessionId])).toMatchObject({ type: 'Usage' });
  await house.succeed(['clean-up', sessionId, '--power-off', ...house.targetFlags]);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

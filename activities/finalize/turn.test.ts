// Waiting for a turn, against a gateway in memory and a Temporal that knows which Workflows run.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { expect, it } from 'vitest';
import type { TurnInput } from '../../contract/index.ts';
import { FakeGateway } from '../../test/fake-gateway.ts';
import { fakePlacement } from '../../test/fake-world.ts';
import { eventually } from '../../test/temporal.ts';
import type { Step } from '../step.ts';
import { awaitTurn, releaseTurn } from './turn.ts';

const datastore = { moref: 'ds-1', name: 'prod' };

function inputOf(sessionId: string, plan: Partial<TurnInput['plan']> = {}): TurnInput {
  return {
    ...{ sessionId, placement: fakePlacement, plan: { datastore, ...plan } },
  } as Partial<TurnInput> as TurnInput;
}

/** A site whose Temporal runs these Workflows. */
function site(running: ReadonlySet<string>) {
  const gateway = new FakeGateway();
  const reports: object[] = [];
  const describe = (workflowId: string) => async () => {
    if (running.has(workflowId)) return { closeTime: undefined };
    if (workflowId.startsWith('ended')) return { closeTime: new Date() };
    throw new WorkflowNotFoundError('none', workflowId, undefined);
  };
  const client = {
    workflow: { getHandle: (id: string) => ({ describe: describe(id) }) },
  } as unknown as Client;
  const stepOf = (workflowId: string, signal: AbortSignal, attempt: number): Step => ({
    ...{ signal, workflowId, attempt, leftByEarlier: undefined, leave: () => undefined },
    report: async (report) => {
      reports.push(report);
    },
    withTemporal: (work) => work(client),
    open: () => '',
  });
  const deps = { gateway, parallelMigrations: 1 };
  return {
    gateway,
    reports,
    wait: (input: TurnInput, { signal = new AbortController().signal, attempt = 1 } = {}) =>
      awaitTurn(deps, input, stepOf(input.sessionId, signal, attempt)),
    end: (sessionId: string) =>
      releaseTurn(deps, { sessionId }, stepOf(sessionId, new AbortController().signal, 1)),
  };
}

it('waits for those before it, says for whom, and goes on when they are done', async () => {
  const { wait, end, reports } = site(new Set(['a', 'b', 'c']));
  expect(await wait(inputOf('a'))).toEqual({ waited: false });
  const second = wait(inputOf('b'));
  await eventually('the word', () => reports[0]);
  const third = wait(inputOf('c'));
  await eventually('the next word', () => reports[1]);
  await end('a');
  expect(await second).toEqual({ waited: true });
  await eventually('the last word', () => reports[2]);
  await end('b');
  expect(await third).toEqual({ waited: true });
  expect(reports).toEqual([
    { kind: 'turn', waitsFor: ['a'] },
    { kind: 'turn', waitsFor: ['a', 'b'] },
    { kind: 'turn', waitsFor: ['b'] },
  ]);
});

it('has its turn still when its worker died, and takes what it saw before for old', async () => {
  const { wait } = site(new Set(['a', 'b']));
  await wait(inputOf('a'));
  expect(await wait(inputOf('a'), { attempt: 2 })).toEqual({ waited: true });
});

it('loses no turn to sessions whose Workflows were terminated, or are forgotten', async () => {
  const { wait, gateway } = site(new Set(['a']));
  await wait(inputOf('ended-1'));
  gateway.queue = [...gateway.queue, { sessionId: 'forgotten', places: ['lab-1/ds-1'] }];
  expect(await wait(inputOf('a'))).toEqual({ waited: true });
  expect(gateway.queue.map(({ sessionId }) => sessionId)).toEqual(['a']);
});

it('waits for each datastore that a disk goes to, and for no other', async () => {
  const { wait, gateway } = site(new Set(['a', 'b', 'c']));
  const fast = { node: 'scsi0:1', key: 2001, datastore: { moref: 'ds-2', name: 'fast' } };
  await wait(inputOf('a', { disks: [fast] }));
  expect(gateway.queue[0]?.places).toEqual(['lab-1/ds-1', 'lab-1/ds-2']);
  expect(await wait(inputOf('b', { datastore: { moref: 'ds-3', name: 'slow' } }))).toEqual({ waited: false });
  const cancel = new AbortController();
  const waiting = wait(inputOf('c', { datastore: fast.datastore }), { signal: cancel.signal });
  cancel.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});

// Proofs against a world in memory: whatever fails, is cancelled or never answers, nothing stays, and what was
// refused is a row.
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ProveInput,
  type ProvePrimitive,
  type ProveResult,
  provePrimitives,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { FakeWorld, type StepName } from '../../test/fake-world.ts';
import { atSite, openSessionHarness, type SessionHarness } from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';
import { proveInput } from '../../test/workflow-inputs.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

type Prove = (input: ProveInput) => Promise<ProveResult>;

async function withProof<T>(
  input: ProveInput,
  world: FakeWorld,
  body: (proof: WorkflowHandle<Prove>) => Promise<T>,
): Promise<T> {
  const { temporal } = harness;
  return atSite(temporal, input.site, world.activities, async () => {
    const options = {
      taskQueue: WORKFLOW_TASK_QUEUE,
      workflowId: input.proveId,
      args: [input] as [ProveInput],
    };
    return body(await temporal.client.workflow.start<Prove>(WorkflowType.prove, options));
  });
}

const result = (input: ProveInput, world: FakeWorld): Promise<ProveResult> =>
  withProof(input, world, (proof) => proof.result());

const all = Object.keys(provePrimitives) as ProvePrimitive[];
const others = ({ rows }: ProveResult): readonly ProvePrimitive[] =>
  rows.filter(({ outcome }) => outcome !== 'held').map(({ primitive }) => primitive);

/** One of each kind: before a round, of sessions, of the first round and of the last. */
const steps: readonly StepName[] = [
  ...(['openProve', 'makeProveBackup', 'mount', 'registerVm', 'provePower', 'proveCold'] as const),
];

describe.concurrent('a proof', () => {
  it('has a row for every primitive, and leaves nothing', async () => {
    const world = new FakeWorld();
    world.proof.isVirtualCenter = true;
    const proved = await result(proveInput(), world);
    expect(proved.rows.map(({ primitive }) => primitive)).toEqual(all);
    expect(others(proved)).toEqual([]);
    expect(proved).toMatchObject({ holds: true, leftBehind: [], product: 'fake ESXi', host: 'esx01' });
    expect(world.leftovers).toEqual([]);
  });

  it('touches nothing where the licence forbids it', async () => {
    const world = new FakeWorld();
    world.proof.refusals.set('licence', 'the licence makes the API read-only');
    const proved = await result(proveInput(), world);
    expect(proved).toMatchObject({ holds: false, features: { run: 'refused', stop: 'refused' } });
    expect(world.calls).toEqual(['openProve']);
  });

  it('skips what stands on what was refused, and nothing else', async () => {
    const world = new FakeWorld();
    world.proof.refusals.set('powerOn', 'no CPU that fits');
    const proved = await result(proveInput(), world);
    const row = (primitive: ProvePrimitive) => proved.rows.find((each) => each.primitive === primitive);
    expect(row('powerOn')).toMatchObject({ outcome: 'refused', detail: 'no CPU that fits' });
    expect(row('suspend')).toMatchObject({
      outcome: 'skipped',
      detail: expect.stringContaining('powerOn') as string,
    });
    expect(row('copyDisk')).toMatchObject({
      outcome: 'skipped',
      detail: expect.stringContaining('powerOn') as string,
    });
    expect(row('unmount')).toMatchObject({ outcome: 'held' });
    expect(proved.holds).toBe(false);
    expect(world.leftovers).toEqual([]);
  });

  it.each(['publish', 'mount', 'registerVm'] as const)(
    'tells what the host says against %s',
    async (step) => {
      const world = new FakeWorld();
      world.faults.set(step, 'after');
      const proved = await result(proveInput(), world);
      expect(proved.rows.filter(({ outcome }) => outcome === 'refused')).toMatchObject([
        { detail: `${step} was told to fail` },
      ]);
      expect(proved.holds).toBe(false);
      expect(world.leftovers).toEqual([]);
    },
  );

  it('begins a round anew, as another session, when nobody could tell', async () => {
    const world = new FakeWorld();
    world.faults.set('proveRunning', 'passing');
    const input = proveInput({ datastore: undefined });
    const proved = await result(input, world);
    expect(proved.holds).toBe(true);
    expect(proved.rows.find(({ primitive }) => primitive === 'suspend')).toMatchObject({ outcome: 'held' });
    expect(world.calls.filter((step) => step === 'publish')).toHaveLength(2);
    expect(world.leftovers).toEqual([]);
  });

  it('ends with the findings of preflight, before anything is touched', async () => {
    const world = new FakeWorld();
    world.faults.set('preflight', 'before');
    await expect(result(proveInput(), world)).rejects.toThrow(WorkflowFailedError);
    expect(world.leftovers).toEqual([]);
    expect(world.calls).not.toContain('publish');
  });

  it.each(steps)('leaves nothing when it is cancelled in %s', async (step) => {
    const world = new FakeWorld();
    world.proof.isVirtualCenter = true;
    world.faults.set(step, 'hang');
    await withProof(proveInput(), world, async (proof) => {
      await eventually(`${step} to hang`, () =>
        Promise.resolve(world.calls.includes(step) ? true : undefined),
      );
      await proof.cancel();
      const error: unknown = await proof.result().catch((thrown: unknown) => thrown);
      expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    });
    expect(world.leftovers).toEqual([]);
  });
});

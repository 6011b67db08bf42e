// Restores of one disk against a world in memory: whatever fails, is cancelled or times out before the VM has it,
// nothing is left; from there on it stays.
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RestoreDiskInput, WorkflowType } from '../../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from '../../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  type TestSession,
} from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';
import { restoreDiskInput } from '../../test/workflow-inputs.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const withRestore = <T>(
  world: FakeWorld,
  input: RestoreDiskInput,
  body: (restore: TestSession) => Promise<T>,
): Promise<T> => harness.withSession(input, world, body, WorkflowType.restoreDisk);

const attached = ({ sessionId }: RestoreDiskInput): string[] => [`disk of ${sessionId}, attached`];

const undoable: StepName[] = [
  ...(['restoreDiskPreflight', 'verifyChain', 'publish', 'mount'] as const),
  ...(['openDiskFolder', 'copyDiskToVm', 'attachRestoredDisk'] as const),
];

describe.concurrent('a restore of one disk', () => {
  it('ends with a VM that has the disk, and nothing beside it', async () => {
    const world = new FakeWorld();
    const input = restoreDiskInput({ verify: 'beside' });
    await withRestore(world, input, async (restore) => {
      expect(await restore.handle.result()).toEqual({ sessionId: input.sessionId, state: 'restored' });
      expect(await restore.status()).toMatchObject({
        ...{ state: 'restored', status: 'OK', progressPercent: 100, jobId: 'job-2' },
        vm: { moref: 'vm-7', name: 'db01' },
        restore: {
          location: `[prod] db01/web01_1-${input.sessionId}.vmdk`,
          ...{ toVm: { name: 'db01', node: 'scsi0:2' }, copiedBytes: 4096, totalBytes: 4096 },
        },
        verify: { state: 'passed' },
      });
    });
    expect(world.leftovers).toEqual(attached(input));
  });

  const faults: Fault[] = ['before', 'after'];
  it.each(undoable.flatMap((step) => faults.map((fault) => [step, fault] as const)))(
    'that fails at %s (%s it acted) is undone, and ends with that failure',
    async (step, fault) => {
      const world = new FakeWorld();
      world.faults.set(step, fault);
      await withRestore(world, restoreDiskInput({ verify: 'before' }), async (restore) => {
        expect(await failureOf(restore.handle.result())).toMatchObject({
          ...{ type: 'NotSupported', message: `${step} was told to fail` },
        });
        expect(await restore.status()).toMatchObject({ state: 'failed', status: 'Error' });
      });
      expect(world.leftovers).toEqual([]);
    },
  );

  it.each([...undoable, 'unmount' as const, 'dropExport' as const])(
    'that fails at %s for a moment goes on',
    async (step) => {
      const world = new FakeWorld();
      world.faults.set(step, 'passing');
      const input = restoreDiskInput({ verify: 'before' });
      await withRestore(world, input, (restore) => restore.handle.result());
      expect(world.leftovers).toEqual(attached(input));
    },
  );

  it('shows bytes, rate and time left, and is undone by a stop in the middle of the copy', async () => {
    const world = new FakeWorld();
    world.copiesEnd = false;
    await withRestore(world, restoreDiskInput(), async (restore) => {
      const { restore: seen } = await eventually('half a disk', async () => {
        const now = await restore.status();
        return now.restore?.copiedBytes === 2048 ? now : undefined;
      });
      expect(seen).toMatchObject({ disk: 'web01_1.vmdk', bytesPerSecond: 512, leftMs: 4_000 });
      expect(await restore.stop()).toMatchObject({ state: 'cancelled' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it.each(undoable)('that is cancelled at %s is undone', async (step) => {
    const world = new FakeWorld();
    world.faults.set(step, 'hang');
    await withRestore(world, restoreDiskInput({ verify: 'before' }), async (restore) => {
      await eventually(`the call of ${step}`, () => (world.calls.includes(step) ? true : undefined));
      await restore.handle.cancel();
      expect(await failureOf(restore.handle.result())).toBeInstanceOf(CancelledFailure);
    });
    expect(world.leftovers).toEqual([]);
  });

  it('gives the VM no disk of a damaged backup, told beside the copying', async () => {
    const world = new FakeWorld();
    world.findings = ['web01.rdb: disk web01_1.vmdk, block 7'];
    await withRestore(world, restoreDiskInput({ verify: 'beside' }), async (restore) => {
      expect(await failureOf(restore.handle.result())).toMatchObject({ type: 'BlockCorrupt' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it('can be stopped no more once the VM has the disk', async () => {
    const world = new FakeWorld();
    world.faults.set('unmount', 'before');
    const input = restoreDiskInput();
    await withRestore(world, input, async (restore) => {
      await eventually('a word about the unmount', async () =>
        (await restore.status()).log.find(({ message }) => message.includes('Could not unmount')),
      );
      expect(await failureOf(restore.stop())).toMatchObject({ type: 'NotRunning' });
      expect(await failureOf(restore.finalize())).toMatchObject({ type: 'NotSupported' });
      world.faults.delete('unmount');
      expect(await restore.handle.result()).toMatchObject({ state: 'restored' });
    });
    expect(world.leftovers).toEqual(attached(input));
  });
});

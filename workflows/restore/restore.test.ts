// Restores against a world in memory: whatever fails, is cancelled or times out before the VM is production's, nothing
// is left; from there on it stays.
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RestoreInput, WorkflowType } from '../../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from '../../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  type TestSession,
} from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';
import { restoreInput } from '../../test/workflow-inputs.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const withRestore = <T>(
  world: FakeWorld,
  input: RestoreInput,
  body: (restore: TestSession) => Promise<T>,
): Promise<T> => harness.withSession(input, world, body, WorkflowType.restore);

/** A VM without marks in production, and nothing else. */
function expectRestored(world: FakeWorld, sessionId: string): void {
  const moref = `restored-${sessionId}`;
  expect(world.leftovers).toEqual([`VM ${moref}`]);
  expect(world.vms.get(moref)?.marked).toBe(false);
}

const undoable: StepName[] = [
  ...(['restorePreflight', 'verifyChain', 'publish', 'mount', 'claimRestoreFolder'] as const),
  ...(['copyRestoreDisk', 'writeVmFiles', 'registerRestoredVm'] as const),
];

describe.concurrent('a restore', () => {
  it('ends with the VM in production, without a mark, and nothing beside it', async () => {
    const world = new FakeWorld();
    const input = restoreInput({ verify: 'beside' });
    await withRestore(world, input, async (restore) => {
      expect(await restore.handle.result()).toEqual({ sessionId: input.sessionId, state: 'restored' });
      const status = await restore.status();
      expect(status).toMatchObject({
        ...{ state: 'restored', status: 'OK', progressPercent: 100, powerState: 'poweredOff' },
        restore: { location: '[prod] web01', copiedBytes: 4096, totalBytes: 4096 },
        verify: { state: 'passed' },
      });
      expect(world.calls.filter((step) => step === 'copyRestoreDisk')).toHaveLength(2);
    });
    expectRestored(world, input.sessionId);
  });

  it('powers the VM on and waits for its guest where that was asked for', async () => {
    const world = new FakeWorld();
    const input = restoreInput({ powerOn: true });
    await withRestore(world, input, async (restore) => {
      await restore.handle.result();
      expect(await restore.status()).toMatchObject({ status: 'OK', guest: 'ready', powerState: 'poweredOn' });
    });
    expectRestored(world, input.sessionId);
  });

  it('says that the guest did not come', async () => {
    const world = new FakeWorld();
    world.guestComes = false;
    const input = restoreInput({ powerOn: true });
    await withRestore(world, input, async (restore) => {
      await restore.handle.result();
      expect(await restore.status()).toMatchObject({ state: 'restored', status: 'Warning', guest: 'silent' });
    });
    expectRestored(world, input.sessionId);
  });

  it('keeps a VM that does not power on, and says why', async () => {
    const world = new FakeWorld();
    world.faults.set('powerOnVm', 'before');
    const input = restoreInput({ powerOn: true });
    await withRestore(world, input, async (restore) => {
      await restore.handle.result();
      const status = await restore.status();
      expect(status).toMatchObject({ state: 'restored', status: 'Error' });
      expect(status.log.at(-1)?.message).toContain('powerOnVm was told to fail');
    });
    expectRestored(world, input.sessionId);
  });

  const faults: Fault[] = ['before', 'after'];
  it.each(undoable.flatMap((step) => faults.map((fault) => [step, fault] as const)))(
    'that fails at %s (%s it acted) is undone, and ends with that failure',
    async (step, fault) => {
      const world = new FakeWorld();
      world.faults.set(step, fault);
      await withRestore(world, restoreInput({ verify: 'before' }), async (restore) => {
        expect(await failureOf(restore.handle.result())).toMatchObject({
          ...{ type: 'NotSupported', message: `${step} was told to fail` },
        });
        expect(await restore.status()).toMatchObject({ state: 'failed', status: 'Error' });
      });
      expect(world.leftovers).toEqual([]);
    },
  );

  it.each([...undoable, 'handOverVm' as const, 'releaseRestoreFolder' as const])(
    'that fails at %s for a moment goes on',
    async (step) => {
      const world = new FakeWorld();
      world.faults.set(step, 'passing');
      const input = restoreInput({ verify: 'before' });
      await withRestore(world, input, (restore) => restore.handle.result());
      expectRestored(world, input.sessionId);
    },
  );

  it('shows bytes, rate and time left, and is undone by a stop in the middle of a copy', async () => {
    const world = new FakeWorld();
    world.copiesEnd = false;
    await withRestore(world, restoreInput(), async (restore) => {
      const { restore: seen } = await eventually('half a disk', async () => {
        const now = await restore.status();
        return now.restore?.copiedBytes === 512 ? now : undefined;
      });
      expect(seen).toMatchObject({ disk: 'web01.vmdk', bytesPerSecond: 512, leftMs: 7_000 });
      expect(await restore.stop()).toMatchObject({ state: 'cancelled' });
      expect(await restore.handle.result()).toMatchObject({ state: 'cancelled' });
    });
    expect(world.leftovers).toEqual([]);
  });

  it.each(undoable)('that is cancelled at %s is undone', async (step) => {
    const world = new FakeWorld();
    world.faults.set(step, 'hang');
    await withRestore(world, restoreInput({ verify: 'before' }), async (restore) => {
      await eventually(`the call of ${step}`, () => (world.calls.includes(step) ? true : undefined));
      await restore.handle.cancel();
      expect(await failureOf(restore.handle.result())).toBeInstanceOf(CancelledFailure);
    });
    expect(world.leftovers).toEqual([]);
  });

  it('takes no damaged backup to production, told beside the copying', async () => {
    const world = new FakeWorld();
    world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
    await withRestore(world, restoreInput({ verify: 'beside' }), async (restore) => {
      const cause = await failureOf(restore.handle.result());
      expect(cause).toMatchObject({ type: 'BlockCorrupt' });
      expect((cause as Error).message).toContain('block 7');
    });
    expect(world.leftovers).toEqual([]);
  });

  it('can be stopped no more once the VM is production’s', async () => {
    const world = new FakeWorld();
    world.faults.set('unmount', 'before');
    const input = restoreInput();
    await withRestore(world, input, async (restore) => {
      await eventually('a word about the unmount', async () =>
        (await restore.status()).log.find(({ message }) => message.includes('Could not unmount')),
      );
      expect(await failureOf(restore.stop())).toMatchObject({ type: 'NotRunning' });
      expect(await failureOf(restore.finalize())).toMatchObject({ type: 'NotSupported' });
      world.faults.delete('unmount');
      expect(await restore.handle.result()).toMatchObject({ state: 'restored' });
    });
    expectRestored(world, input.sessionId);
  });
});

// A session whose changes go to a production datastore: the guest writes there and not to the gateway, power cycles keep
// what it wrote, a stop leaves nothing, and a finalize takes the guest over with what it wrote.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { differences, fileDigests } from '../../demo/file-digests.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { controlSocketPath, GatewayClient } from '../../gateway/index.ts';
import { expectArrived, finalize, prepareVm, SET, startWriting, VM } from './crossings.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const MIB = 2 ** 20;
const DISK_MIB = 16;
const WRITTEN_MIB = 12;
/** Logs, configuration, the swap file's head. */
const MAX_OVERLAY_BYTES = 2 * MIB;
const LIMIT_MS = 120_000;

beforeAll(() => prepareVm(suite.house, DISK_MIB));

const changesOn = (): { readonly flags: string[]; readonly datastore: string; readonly root: string } => {
  const [, second] = suite.house.stack.lab.ready.datastores;
  if (second === undefined) throw new Error('the lab has no second datastore');
  return { flags: ['--changes', `datastore:${second.name}`], datastore: second.name, root: second.path };
};

describe('changes on a production datastore', () => {
  test('are there and not at the gateway, outlast power cycles, and go with the stop', async () => {
    const { house } = suite;
    const { flags, datastore, root } = changesOn();
    const vault = await fileDigests(house.vault);
    const session = await house.start(SET, VM, '--network', 'disconnected', '--verify', 'none', ...flags);
    const { sessionId } = session;
    expect(session.changes).toEqual({ datastore, folder: `rundirect-${sessionId}` });
    const vm = await house.sessionVm(session);
    const guest = await vm.guest();
    await guest.write('first');
    await house.stack.lab.ready
      .guest(vm.moref)
      .command(
        `SHELL dd if=/dev/urandom of=/dev/sdb bs=1M count=${WRITTEN_MIB} conv=notrunc,fsync 2>/dev/null; true`,
        { timeoutMs: LIMIT_MS },
      );
    const sum = await guest.sum('sdb');
    await vm.powerOff();
    await vm.powerOn();
    const again = await vm.guest();
    expect([await again.boots(), await again.notes(), await again.sum('sdb')]).toEqual([2, ['first'], sum]);

    const gateway = new GatewayClient(controlSocketPath(house.site.stateFolder));
    const [exported] = await gateway.exports();
    expect(exported?.overlayBytes).toBeLessThan(MAX_OVERLAY_BYTES);
    expect(await readdir(path.join(root, `rundirect-${sessionId}`))).toContain(
      `rundirect-${sessionId}.changes`,
    );
    const kept = await house.run(['keep', sessionId]);
    expect(kept.code).toBe(1);
    expect(kept.documents.at(-1)).toMatchObject({ error: { type: 'NotSupported' } });
    const live = await house.run(['finalize', sessionId, '--datastore', datastore, '--vmotion', 'live']);
    expect(live.documents.at(-1)).toMatchObject({ error: { type: 'NotSupported' } });

    await house.stop(sessionId);
    expect(await leftovers(house.stack, sessionId)).toEqual([]);
    expect(differences(vault, await fileDigests(house.vault))).toEqual([]);
  });

  test('are taken to production with a short outage, without a snapshot more', async () => {
    const { house } = suite;
    const { flags } = changesOn();
    const crossing = await startWriting(house, 'apart', ...flags);
    const { ready } = house.stack.lab;
    const snapshots = async (): Promise<number> =>
      (await ready.methodLog()).filter(({ method }) => method === 'CreateSnapshotEx_Task').length;
    const before = await snapshots();
    const result = await finalize(house, crossing);
    expect(result).toMatchObject({ state: 'finalized', mode: 'shortOutage' });
    expect(await snapshots()).toBe(before);
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: false });
  });
});

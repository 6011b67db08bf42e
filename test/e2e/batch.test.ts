// Three VMs in one command, one of them broken: the others come up, one goes to production, and nothing of the rest is
// left. A worker that dies while a batch starts takes none of it with it.
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BatchStatus, BatchVm, SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import { historiesOf } from './secret-search.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'vcenter' });
const SET = 'nightly';
const VMS = ['web01', 'db01', 'app01'] as const;
const STEP_LIMIT_MS = 90_000;

/** Each VM in a job of its own, and what the last one added to the vault taken away: that VM's disk lacks its blocks. */
beforeAll(async () => {
  const { house } = suite;
  const blocks = path.join(house.vault, 'sets', SET, 'blocks');
  let before: readonly string[] = [];
  for (const name of VMS) {
    before = await readdir(blocks).catch(() => []);
    const vm = await house.createVm(name);
    await house.backup(SET, vm.folder);
    await vm.destroy();
  }
  for (const file of await readdir(blocks)) if (!before.includes(file)) await rm(path.join(blocks, file));
});

/** Flags of `start` for several VMs, none of which is connected to anything. */
const startFlags = (vms: readonly string[], ...more: readonly string[]): string[] => [
  ...suite.house.startFlags(SET, vms[0] ?? ''),
  ...['--vm', ...vms.slice(1), '--network', 'disconnected', ...more],
];

const stateOf = ({ vmName, state }: BatchVm): string => `${vmName} ${state}`;

async function writes(session: SessionStatus, note: string): Promise<void> {
  const guest = await (await suite.house.sessionVm(session)).guest();
  await guest.write(note);
  expect(await guest.notes()).toContain(note);
}

test('the broken one is told, the others run; one is finalized, the rest stopped, and nothing is left', async () => {
  const { house } = suite;
  const { stack } = house;
  const started = await house.run(startFlags(VMS));
  expect(started.code).toBe(1);
  const { batchId, vms } = started.documents.at(-1)?.['batch'] as BatchStatus;
  expect(vms.map(stateOf)).toEqual(['web01 running', 'db01 running', 'app01 notStarted']);
  expect(vms[2]?.failure?.type).toBe('ChainBroken');
  const [web01 = '', db01 = ''] = vms.map(({ sessionId }) => sessionId);
  for (const session of [web01, db01]) await writes(await house.show(session), `of ${session}`);
  const listed = (await house.succeed(['sessions'])) as unknown as { sessions: Record<string, unknown>[] };
  expect(listed.sessions.map(({ sessionId, batch }) => [sessionId, batch]).sort()).toEqual([
    [web01, batchId],
    [db01, batchId],
  ]);

  const datastore = stack.lab.ready.datastores[0]?.name ?? '';
  const finalized = await house.succeed(['finalize', batchId, '--only', web01, '--datastore', datastore]);
  expect((finalized['vms'] as BatchVm[]).map(stateOf)).toEqual(['web01 finalized']);
  const inProduction = await house.sessionVm(await house.show(web01));
  expect(await (await inProduction.guest()).notes()).toContain(`of ${web01}`);

  const stopped = await house.succeed(['stop', batchId]);
  expect((stopped['vms'] as BatchVm[]).map(stateOf)).toEqual(['db01 stopped']);
  expect(await leftovers(stack)).toEqual([]);
  const again = await house.succeed(['stop', batchId]);
  expect((again['vms'] as BatchVm[]).map(stateOf)).toEqual([
    'web01 finalized',
    'db01 stopped',
    'app01 notStarted',
  ]);
  await inProduction.destroy();
});

test('a worker that is killed while a batch starts takes none of it with it, and all go to production', async () => {
  const { house } = suite;
  const { lab, site } = house.stack;
  // Performed, and never answered.
  await lab.ready.addFault({ method: 'RegisterVM_Task', action: 'drop', times: 1 });
  const datastore = lab.ready.datastores[0]?.name ?? '';
  const flags = ['--no-power-on', '--auto-migrate', '--datastore', datastore, '--detach'];
  const begun = await house.succeed(startFlags(['web01', 'db01'], ...flags));
  const batchId = begun['batchId'] as string;
  await until('a VM to be registered', STEP_LIMIT_MS, async () =>
    (await lab.ready.faults()).length === 0 ? true : undefined,
  );
  await site.worker.kill('SIGKILL');
  await site.worker.start();
  const { vms } = (await house.succeed(['watch', '--follow', batchId]))['batch'] as BatchStatus;
  expect(vms.map(stateOf)).toEqual(['web01 finalized', 'db01 finalized']);
  expect(await leftovers(house.stack)).toEqual([]);
  await using vsphere = await connect(lab.ready);
  for (const { vm } of vms) {
    const seen = await vsphere.readVm(vm?.moref ?? '');
    expect(seen?.vmPathName).toContain(`[${datastore}] `);
    await vsphere.destroyVm(vm?.moref ?? '');
  }
});

test('no secret of a batch is in any history', async () => {
  const { stack, passphrase } = suite.house;
  const histories = await historiesOf(stack);
  expect(histories.length).toBeGreaterThan(0);
  for (const secret of [passphrase, stack.lab.ready.password]) {
    expect(histories.filter(({ bytes }) => bytes.includes(secret))).toEqual([]);
  }
});

// Proofs where it takes longer: through a vCenter, beside a session that runs, and broken off at any moment.
import { readdir } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { primitivesOf } from '../../contract/index.ts';
import type { House } from '../../demo/house.ts';
import { beginProof, expectNothingLeft, followProof, prove } from '../e2e/proofs.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });
const SET = 'nightly';
const VM = 'web01';
/** A proof takes about this long; a random moment of it is chosen within. */
const PROOF_TAKES_MS = 9_000;

beforeAll(async () => {
  const { house } = suite;
  const vm = await house.createVm(VM);
  await house.backup(SET, vm.folder);
  await vm.destroy();
});

afterEach(() => expectNothingLeft(suite.house));

const datastoreFlags = ({ stack }: House): string[] => [
  '--datastore',
  stack.lab.ready.datastores[0]?.name ?? '',
];

async function randomMoment(): Promise<number> {
  const momentMs = Math.floor(Math.random() * PROOF_TAKES_MS);
  await new Promise((resolve) => setTimeout(resolve, momentMs));
  return momentMs;
}

test('through a vCenter everything holds', async () => {
  const { house } = suite;
  const { code, not } = await prove(house, ...datastoreFlags(house));
  expect(not('held')).toEqual([]);
  expect(code).toBe(0);
});

test('onto a vSAN the target migrates, and nothing else is tried there', async () => {
  const { house } = suite;
  const [vsan] = house.stack.lab.ready.vsans;
  const before = await readdir(vsan?.path ?? '');
  const { code, not, row } = await prove(house, '--datastore', vsan?.name ?? '');
  expect(not('held')).toEqual([...primitivesOf('outage'), ...primitivesOf('changes'), 'ranThrough']);
  expect(row('copyDisk')?.detail).toContain('vsan');
  expect(code).toBe(0);
  expect(await readdir(vsan?.path ?? '')).toEqual(before);
});

test('beside a session that runs, its datastore is not put at risk', async () => {
  const { house } = suite;
  const session = await house.start(SET, VM, '--network', 'disconnected');
  const guest = await (await house.sessionVm(session)).guest();
  const { code, not, row } = await prove(
    house,
    '--host',
    session.vm?.hostName ?? '',
    ...datastoreFlags(house),
  );
  expect(not('held')).toEqual(['unmountInUse', 'unmount']);
  expect(row('unmount')?.detail).toContain('other session');
  expect(code).toBe(0);
  expect(await guest.boots()).toBe(1);
  await house.stop(session.sessionId);
});

describe('everything holds all the same, and nothing is left', () => {
  test.for(['worker', 'worker', 'worker', 'gateway', 'gateway'] as const)(
    'when the %s is killed',
    async (which) => {
      const { house } = suite;
      const proveId = await beginProof(house, ...datastoreFlags(house));
      const momentMs = await randomMoment();
      await house.stack.site[which].kill('SIGKILL');
      await house.stack.site[which].start();
      console.log(`${which} killed ${momentMs} ms after the start`);
      const { not, code } = await followProof(house, proveId);
      expect(not('held')).toEqual([]);
      expect(code).toBe(0);
    },
  );
});

test.for([1, 2, 3])('a proof that is cancelled at a random moment (%i) leaves nothing', async () => {
  const { house } = suite;
  const proveId = await beginProof(house, ...datastoreFlags(house));
  const momentMs = await randomMoment();
  const connection = await Connection.connect({ address: house.stack.temporal.ready.address });
  try {
    await new Client({ connection }).workflow.getHandle(proveId).cancel();
  } finally {
    await connection.close();
  }
  const { code, documents } = await house.run(['prove', '--follow', proveId]);
  console.log(`cancelled ${momentMs} ms after the start: ${JSON.stringify(documents.at(-1))}`);
  expect(code).toBe(1);
  expect(documents.at(-1)).toMatchObject({ error: { type: 'Cancelled' } });
});

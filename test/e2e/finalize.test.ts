// From the backup to production, through a vCenter, with a guest that writes a numbered line every 100 ms all the
// way: every line that it has acknowledged is there, it never restarts and never stands still, and nothing of the
// session is left. Processes that die on the way change nothing of that.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FinalizeResult, SessionStatus } from '../../contract/index.ts';
import type { Guest } from '../../demo/guest.ts';
import type { LabVm } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import { watchLines } from '../migration/lines.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'vcenter' });
const SET = 'nightly';
const VM = 'web01';
const LINE_EVERY_MS = 100;
/** Slow enough for something to happen in the middle of a migration. */
const SLOW_BYTES_PER_SECOND = 2 << 20;
/** A guest that is migrated live pauses for less than that. */
const MAX_GAP_MS = 2_000;
const STEP_LIMIT_MS = 120_000;

beforeAll(async () => {
  const { house } = suite;
  const vm = await house.createVm(VM);
  await house.backup(SET, vm.folder);
  await vm.destroy();
});

interface Running {
  readonly session: SessionStatus;
  readonly vm: LabVm;
  readonly guest: Guest;
  /** Name of the datastore that it goes to. */
  readonly production: string;
}

/** A session whose guest writes, and has begun to. */
async function startWriting(...flags: string[]): Promise<Running> {
  const { house } = suite;
  const session = await house.start(SET, VM, '--network', 'disconnected', ...flags);
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  expect(await guest.boots()).toBe(1);
  await guest.beginLog(LINE_EVERY_MS);
  await until('its first lines', STEP_LIMIT_MS, async () =>
    (await guest.log()).length > 2 ? true : undefined,
  );
  const [production] = house.stack.lab.ready.datastores;
  if (production === undefined) throw new Error('the lab has no production datastore');
  return { session, vm, guest, production: production.name };
}

/** The guest went on without a restart, with every line that it acknowledged; then its VM goes. */
async function expectEveryLine({ vm, guest }: Running): Promise<void> {
  const acknowledged = await guest.endLog();
  expect(await guest.boots()).toBe(1);
  const lines = await guest.log();
  expect(lines).toEqual(Array.from({ length: acknowledged }, (_, index) => index + 1));
  // Without its cache: as it lies on production storage.
  await vm.powerOff();
  await vm.powerOn();
  const after = await vm.guest();
  expect(await after.boots()).toBe(2);
  expect((await after.log()).slice(0, acknowledged)).toEqual(lines);
}

async function expectInProduction({ session, vm, production }: Running): Promise<void> {
  const { stack } = suite.house;
  expect(await leftovers(stack, session.sessionId)).toEqual([]);
  await using vsphere = await connect(stack.lab.ready);
  const seen = await vsphere.readVm(vm.moref);
  const files = [
    seen?.vmPathName ?? '',
    ...(seen?.disks ?? []).flatMap((disk) => [disk.fileName, ...disk.parents]),
  ];
  expect(files.filter((file) => !file.startsWith(`[${production}] `))).toEqual([]);
  expect(seen?.powerState).toBe('poweredOn');
  expect(seen?.extraConfig).not.toHaveProperty('uuid.action');
  expect(seen?.annotation).not.toContain('Run Direct');
}

async function destroy({ vm }: Running): Promise<void> {
  await using vsphere = await connect(suite.house.stack.lab.ready);
  await vm.powerOff();
  await vsphere.destroyVm(vm.moref);
}

/** Begins to finalize, and returns in the middle of the migration. */
async function beginSlowly({ session: { sessionId }, production }: Running): Promise<void> {
  const { house } = suite;
  await house.stack.lab.ready.setStorageRate(SLOW_BYTES_PER_SECOND);
  await house.succeed(['finalize', sessionId, '--datastore', production, '--detach']);
  const look = async (): Promise<true | undefined> =>
    ((await house.show(sessionId)).finalize?.percent ?? 0) > 0 ? true : undefined;
  await until('the migration to be under way', STEP_LIMIT_MS, look, COMMAND_EVERY_MS);
}

afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

describe('finalize', () => {
  test('migrates a guest live, which writes on, and leaves nothing of the session', async () => {
    const { house } = suite;
    const running = await startWriting('--name', 'live');
    const { sessionId } = running.session;
    const finalizing = house.succeed(['finalize', sessionId, '--datastore', running.production]);
    const { lab } = house.stack;
    const { longestPauseMs: gapMs } = await watchLines(lab.ready, running.vm.moref, finalizing);
    const result = (await finalizing) as unknown as FinalizeResult;
    console.log(`live: ${result.durationMs} ms, ${result.movedBytes} bytes; longest pause ${gapMs} ms`);
    expect(result).toMatchObject({
      state: 'finalized',
      mode: 'live',
      datastore: running.production,
      guestAwayMs: 0,
    });
    expect(gapMs).toBeLessThan(MAX_GAP_MS);
    expect(await house.show(sessionId)).toMatchObject({
      ...{ state: 'finalized', status: 'OK', progressPercent: 100 },
      finalize: { outcome: 'done', mode: 'live', guestAwayMs: 0 },
    });
    await expectInProduction(running);
    await expectEveryLine(running);
    await destroy(running);
  });

  test('goes on after its worker was killed in the middle of it', async () => {
    const { house } = suite;
    const { worker } = house.stack.site;
    const running = await startWriting('--name', 'killed');
    const { sessionId } = running.session;
    await beginSlowly(running);
    await worker.kill('SIGKILL');
    await house.stack.lab.ready.setStorageRate(0);
    await worker.start();
    expect(await house.watch(sessionId, '--follow')).toMatchObject({ state: 'finalized' });
    await expectInProduction(running);
    await expectEveryLine(running);
    await destroy(running);
  });

  test('is called off in the middle: the guest goes on from the gateway, and is finalized later', async () => {
    const { house } = suite;
    const running = await startWriting('--name', 'cancelled');
    const { sessionId } = running.session;
    await beginSlowly(running);
    expect(await house.succeed(['finalize', sessionId, '--cancel'])).toMatchObject({ state: 'running' });
    const back = await house.show(sessionId);
    expect(back).toMatchObject({ state: 'running', status: 'OK', finalize: { outcome: 'cancelled' } });
    expect(await running.guest.boots()).toBe(1);
    const lines = (await running.guest.log()).length;
    await until('the guest to write on', STEP_LIMIT_MS, async () =>
      (await running.guest.log()).length > lines ? true : undefined,
    );
    await house.stack.lab.ready.setStorageRate(0);
    await house.succeed(['finalize', sessionId, '--datastore', running.production]);
    await expectInProduction(running);
    await expectEveryLine(running);
    await destroy(running);
  });

  test('begins by itself where start was told so', async () => {
    const { house } = suite;
    const [production] = house.stack.lab.ready.datastores;
    const flags = [
      '--name',
      'auto',
      '--network',
      'disconnected',
      '--auto-migrate',
      '--datastore',
      production?.name ?? '',
    ];
    const session = await house.start(SET, VM, ...flags);
    expect(session).toMatchObject({ state: 'finalized', finalize: { outcome: 'done', mode: 'live' } });
    const vm = await house.sessionVm(session);
    expect(await (await vm.guest()).boots()).toBe(1);
    expect(await leftovers(house.stack, session.sessionId)).toEqual([]);
    await destroy({ session, vm, guest: await vm.guest(), production: production?.name ?? '' });
  });
});

describe('what stands in the way is said before anything is touched', () => {
  test.for([
    ['a datastore that is not there', 'nowhere', 'NotFound'],
    ["the gateway's own datastore", 'rundirect-main', 'DatastoreConflict'],
  ] as const)('%s', async ([, datastore, type]) => {
    const { house } = suite;
    const session = await house.start(
      SET,
      VM,
      '--name',
      'refused',
      '--no-power-on',
      '--network',
      'disconnected',
    );
    const refused = await house.run(['finalize', session.sessionId, '--datastore', datastore]);
    expect(refused.code).toBe(1);
    expect(refused.documents.at(-1)).toMatchObject({ error: { type } });
    expect((await house.show(session.sessionId)).state).toBe('running');
    await house.stop(session.sessionId);
    expect(await leftovers(house.stack, session.sessionId)).toEqual([]);
  });
});

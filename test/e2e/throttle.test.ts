// Copies that are held back at the gateway: one stands still while another one runs past it and the gateway is killed,
// and ends byte for byte; one that is called off in the middle leaves nothing held back.
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { controlSocketPath, GatewayClient } from '../../gateway/index.ts';
import {
  destroy,
  digestsOf,
  expectNothing,
  expectRestored,
  type Original,
  prepareOriginal,
  production,
  restore,
  restoreFlags,
  SET,
  VM,
} from './restores.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const STEP_LIMIT_MS = 60_000;
/** Slow enough for something to happen in the middle of a copy. */
const SLOW = '6MiB/s';
const SLOW_BYTES_PER_SECOND = 6 << 20;
let original: Original;

beforeAll(async () => {
  original = await prepareOriginal(suite.house);
});

const limitOf = async (sessionId: string): Promise<number | undefined> =>
  (await new GatewayClient(controlSocketPath(suite.house.site.stateFolder)).exportStatus(sessionId))
    .readLimit;

const untilStatus = (sessionId: string, what: string, is: (status: SessionStatus) => boolean) =>
  until(what, STEP_LIMIT_MS, async () => {
    const now = (await suite.house.show(sessionId)) as SessionStatus | null;
    return now !== null && is(now) ? now : undefined;
  });

const copied = ({ restore: now, finalize }: SessionStatus): number =>
  now?.copiedBytes ?? finalize?.percent ?? 0;

/** Begins a restore that is held back, and pauses it in the middle of a copy. */
async function pausedRestore(name: string): Promise<string> {
  const { house } = suite;
  const begun = await house.succeed(restoreFlags(house, '--name', name, '--throttle', SLOW, '--detach'));
  const sessionId = begun['sessionId'] as string;
  const seen = await untilStatus(sessionId, 'a disk to be copied in part', (now) => copied(now) > 0);
  expect(seen.throttle).toEqual({ bytesPerSecond: SLOW_BYTES_PER_SECOND, paused: false });
  expect(await limitOf(sessionId)).toBe(SLOW_BYTES_PER_SECOND);
  expect(await house.succeed(['pause', sessionId])).toEqual({
    ...{ sessionId, throttle: { bytesPerSecond: SLOW_BYTES_PER_SECOND, paused: true } },
  });
  return sessionId;
}

/** The disks in this folder of production are those of the backup. */
async function expectDisks(folder: string): Promise<void> {
  const found = await digestsOf(path.join(production(suite.house).path, folder));
  for (const [file, digest] of Object.entries(original.disks)) expect(found[file]).toBe(digest);
}

test('a restore that is paused stands still beside another one, through a kill of the gateway, and ends whole', async () => {
  const { house } = suite;
  const { gateway } = house.site;
  const sessionId = await pausedRestore('held');
  await gateway.kill('SIGKILL');
  await gateway.start();
  const before = await house.show(sessionId);
  const beside = await restore(house, '--name', 'beside');
  await expectDisks('beside');
  await destroy(house, beside);
  const after = await house.show(sessionId);
  expect(after).toMatchObject({ state: 'restoring', throttle: { paused: true } });
  expect(copied(after)).toBe(copied(before));
  expect(await limitOf(sessionId)).toBe(0);
  const { sessions } = (await house.succeed(['sessions'])) as { sessions: { throttle?: unknown }[] };
  expect(sessions.map(({ throttle }) => throttle)).toEqual([after.throttle]);

  await house.succeed(['resume', sessionId]);
  expect(await limitOf(sessionId)).toBe(SLOW_BYTES_PER_SECOND);
  await untilStatus(sessionId, 'the copy to go on', (now) => copied(now) > copied(after));
  expect(await house.succeed(['throttle', sessionId, 'none'])).toEqual({
    ...{ sessionId, throttle: { paused: false } },
  });
  const status = await untilStatus(sessionId, 'the restore to end', ({ state }) => state === 'restored');
  expect(status.throttle).toBeUndefined();
  await expectRestored(house, original, status);
  await destroy(house, status);
});

test('a restore that is stopped while it is paused leaves nothing', async () => {
  const { house } = suite;
  const sessionId = await pausedRestore('stopped');
  expect(await house.succeed(['stop', sessionId])).toMatchObject({ state: 'cancelled' });
  await expectNothing(house, original, 'stopped', sessionId);
});

test('a cold finalize is paused and called off, and then held back to its end; a session that runs is not', async () => {
  const { house } = suite;
  const { sessionId } = await house.start(SET, VM, '--name', 'cold', '--no-power-on');
  const refused = await house.run(['throttle', sessionId, SLOW]);
  expect(refused.code).toBe(1);
  const { error } = refused.documents.at(-1) as { error: { type: string; message: string } };
  expect(error).toMatchObject({ type: 'NotSupported' });
  expect(error.message).toContain('its guest reads what would be held back');

  const finalize = ['finalize', sessionId, '--datastore', production(house).name];
  await house.succeed([...finalize, '--throttle', SLOW, '--detach']);
  await untilStatus(sessionId, 'the disks to be copied in part', (now) => copied(now) > 0);
  await house.succeed(['pause', sessionId]);
  expect(await limitOf(sessionId)).toBe(0);
  expect(await house.succeed(['finalize', sessionId, '--cancel'])).toMatchObject({ state: 'running' });
  expect(await limitOf(sessionId)).toBeUndefined();

  const done = await house.succeed([...finalize, '--throttle', '64MiB/s']);
  expect(done).toMatchObject({ state: 'finalized', mode: 'cold' });
  const { log } = await house.show(sessionId);
  expect(log.map(({ message }) => message)).toContain('The copying reads at most 64 MiB/s');
  await expectDisks('cold');
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

// A guest that has used up the space for its changes stands still, and the host asks what becomes of it. The session
// shows that and takes the answer: retry asks again while there is no room, and goes on when more was made. A stop
// needs no answer.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { HostQuestion, MakeRoomResult } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const MIB = 1024 ** 2;
const DATA_MIB = 160;
const LIMIT_MS = 120_000;
/** The least that a session gets is 64 MiB, of which a file beside the VM takes the better part. */
const RESERVE_FACTOR = '0.01';
const IN_THE_WAY_MIB = 48;
const WRITTEN_MIB = 24;
/** Of the second disk, which is less than there is room for in the end. */
const MORE_MIB = 32;
const TOO_MUCH_MIB = 96;

beforeAll(async () => {
  const { house } = suite;
  const vm = await house.createVm('web01', { disks: [{ sizeMiB: DATA_MIB }] });
  await house.backup('nightly', vm.folder);
  await vm.destroy();
});

test('a full session asks, is answered, goes on, and is stopped with a question open', async () => {
  const { house } = suite;
  const session = await house.start('nightly', 'web01', '--reserve-factor', RESERVE_FACTOR);
  const { sessionId } = session;
  const vm = await house.sessionVm(session);
  const guest = house.stack.lab.ready.guest(vm.moref);
  const inTheWay = path.join(vm.folder, 'in-the-way');
  await writeFile(inTheWay, randomBytes(IN_THE_WAY_MIB * MIB));
  /** Fills so much of the second disk, which is the one of that size. */
  const fill = (fromMib: number, mib: number): Promise<string> =>
    guest.command(
      `SHELL cd /sys/block; for d in sd*; do [ $(cat $d/size) = ${DATA_MIB * 2048} ] && dd if=/dev/urandom ` +
        `of=/dev/$d bs=1M count=${mib} seek=${fromMib} conv=notrunc,fsync 2>/dev/null; done; true`,
      { timeoutMs: LIMIT_MS },
    );
  const asked = (but?: string): Promise<HostQuestion> =>
    until('a question', LIMIT_MS, async () => {
      const { question } = await house.show(sessionId);
      return question?.id === but ? undefined : question;
    });

  const filling = fill(0, WRITTEN_MIB);
  const first = await asked();
  expect(first.text).toContain('There is no more space for virtual disk');
  expect(await house.show(sessionId)).toMatchObject({ state: 'running', status: 'Warning' });
  expect(await house.succeed(['answer', sessionId])).toMatchObject({
    question: { id: first.id, choices: [{ label: 'Retry' }, { label: 'Cancel' }] },
  });
  const refused = await house.run(['answer', sessionId, 'perhaps']);
  expect(refused.code).toBe(1);
  expect(refused.documents.at(-1)).toMatchObject({ error: { type: 'InvalidInput' } });

  expect(await house.succeed(['answer', sessionId, 'Retry'])).toMatchObject({ answer: 'Retry' });
  await asked(first.id);
  const room = (await house.succeed(['make-room', sessionId, `${MORE_MIB}MiB`])) as Partial<MakeRoomResult>;
  expect((room.reservedBytes ?? 0) - (room.usedBytes ?? 0)).toBeGreaterThanOrEqual(MORE_MIB * MIB);
  await house.succeed(['answer', sessionId, 'retry']);
  expect(await filling).toMatch(/^EXIT 0/);
  await until('the question to be gone', LIMIT_MS, async () =>
    (await house.show(sessionId)).question === undefined ? true : undefined,
  );
  expect(await house.show(sessionId)).toMatchObject({ state: 'running', status: 'OK' });

  fill(WRITTEN_MIB, TOO_MUCH_MIB).catch(() => 'ended with its guest');
  await asked();
  await house.stop(sessionId);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

// The demo, whole, on both kinds of target; and beside it a search for the secrets that it used: in the arguments
// of every process while it runs, and afterwards in everything that was written.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNarrator } from '../../demo/narrator.ts';
import { startStack } from '../../demo/stack.ts';
import { playStory } from '../../demo/story.ts';
import { filesHolding, historiesOf, watchCommandLines } from './secret-search.ts';

const PNG_SIGNATURE = '89504e470d0a1a0a';
/** It takes under 2 s on an idle machine (bench/start.ts measures it); here others may be at work. */
const POWERED_ON_LIMIT_MS = 60_000;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'story-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(['esx', 'vcenter'] as const)('through %s', (model) => {
  test('a VM comes back from its backup, and leaves nothing but the backup', async () => {
    await using stack = await startStack({ model });
    const commandLines = watchCommandLines();
    const told: string[] = [];
    const narrator = createNarrator((line) => told.push(line));
    const picture = path.join(folder, `${model}.png`);
    const house = await playStory(stack, narrator, picture).catch((error: unknown) => {
      throw new Error(`${told.slice(-5).join('\n')}\nlogs: ${stack.logFolder}`, { cause: error });
    });
    expect((await readFile(picture)).subarray(0, 8).toString('hex')).toBe(PNG_SIGNATURE);

    const [session] = (await house.succeed(['sessions', '--all']))['sessions'] as { sessionId: string }[];
    const status = await house.show(session?.sessionId ?? '');
    expect(status).toMatchObject({ state: 'stopped', status: 'OK', progressPercent: 100 });
    expect(status.timings.poweredOnMs).toBeLessThan(POWERED_ON_LIMIT_MS);

    const secrets = [house.passphrase, stack.lab.ready.password];
    expect(commandLines.stop().filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([]);
    const histories = await historiesOf(stack);
    expect(histories.length).toBeGreaterThan(4);
    for (const secret of secrets) {
      expect(histories.filter(({ bytes }) => bytes.includes(secret))).toEqual([]);
      expect(await filesHolding(stack, secret, [house.passphraseFile, house.passwordFile])).toEqual([]);
    }
  });
});

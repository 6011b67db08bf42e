import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endKept } from './kept.ts';

let folder: string;
let children: ChildProcess[];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'kept-'));
  children = [1, 2].map(() => spawn('sleep', ['600']));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

const pidOf = (child: ChildProcess | undefined): number => child?.pid ?? 0;

/** Field 22 of a `sleep`: its name has no spaces. */
async function startTime(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[21] ?? '';
}

test('ends what was written down, and leaves a process alone that only has the same pid', async () => {
  const [kept, stranger] = children.map(pidOf) as [number, number];
  const running = [
    { name: 'kept', pid: kept, startTime: await startTime(kept) },
    { name: 'stranger', pid: stranger, startTime: '1' },
  ];
  await writeFile(path.join(folder, 'running.json'), JSON.stringify(running));
  await endKept(folder);
  expect(children.map(({ signalCode }) => signalCode)).toEqual(['SIGTERM', null]);
  expect(existsSync(folder)).toBe(false);
});

test('refuses a folder that is none of ours', async () => {
  await expect(endKept(folder)).rejects.toThrow('no folder of a demo');
  expect(existsSync(folder)).toBe(true);
});

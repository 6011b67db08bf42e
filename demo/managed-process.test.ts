import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { jsonLines } from './command-line.ts';
import { ManagedProcess, type ProcessPlan } from './managed-process.ts';
import { until } from './until.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'managed-process-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const SAYS_READY_AND_STAYS =
  'console.log(JSON.stringify({ ready: true, pid: process.pid })); setInterval(() => {}, 1000);';

function plan(script: string): ProcessPlan<Record<string, unknown>> {
  return {
    name: 'child',
    command: [process.execPath, '-e', script],
    env: process.env,
    logFolder: folder,
    readiness: (output) => jsonLines(output)[0],
    readyLimitMs: 10_000,
    stopLimitMs: 2_000,
    outlivesUs: false,
  };
}

const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`);

test('it starts, is killed, and starts again', async () => {
  await using child = new ManagedProcess(plan(SAYS_READY_AND_STAYS));
  const first = await child.start();
  expect(first['pid']).toBe(child.pid);
  await child.kill('SIGKILL');
  expect(child.isRunning).toBe(false);
  const second = await child.start();
  expect(second['pid']).not.toBe(first['pid']);
});

test('what ends before it is ready is told with its last words', async () => {
  const child = new ManagedProcess(plan('console.error("the port is taken"); process.exit(3)'));
  await expect(child.start()).rejects.toThrow('the port is taken');
});

test('a command that does not exist is told', async () => {
  const child = new ManagedProcess({ ...plan(''), command: ['/nowhere/nothing'], outlivesUs: true });
  await expect(child.start()).rejects.toThrow('/nowhere/nothing');
});

test('what does not end by itself is ended by force', async () => {
  const child = new ManagedProcess(plan(`process.on('SIGTERM', () => {}); ${SAYS_READY_AND_STAYS}`));
  await child.start();
  const { pid } = child;
  await child.stop();
  expect(isThere(pid)).toBe(false);
});

test('it ends when we are killed', async () => {
  const program = path.join(folder, 'parent.ts');
  await writeFile(
    program,
    `import { ManagedProcess } from ${JSON.stringify(path.join(import.meta.dirname, 'managed-process.ts'))};
     const child = new ManagedProcess({
       name: 'grandchild', command: [process.execPath, '-e', ${JSON.stringify(SAYS_READY_AND_STAYS)}], env: process.env,
       logFolder: ${JSON.stringify(folder)}, readiness: (output) => (output === '' ? undefined : output),
       readyLimitMs: 10_000, stopLimitMs: 1_000, outlivesUs: false,
     });
     await child.start();
     process.kill(process.pid, 'SIGKILL');`,
  );
  const parent = spawn(process.execPath, [program], { stdio: 'ignore' });
  await new Promise((resolve) => parent.once('exit', resolve));
  const grandchild = jsonLines(await readFile(path.join(folder, 'grandchild.out'), 'utf8'))[0]?.[
    'pid'
  ] as number;
  await until('the grandchild to end', 10_000, () => (isThere(grandchild) ? undefined : true));
});

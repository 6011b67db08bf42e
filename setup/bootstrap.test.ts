// Set-up against this checkout, which is set up: these tests run on what it brought.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const checkout = path.dirname(import.meta.dirname);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'setup-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('installed dependencies are found as locked, also by two set-ups at once', async () => {
  const bootstrap = path.join(checkout, 'setup', 'bootstrap.mjs');
  const env = { ...process.env, XDG_CACHE_HOME: folder };
  const runs = await Promise.all(
    [1, 2].map(() => run(process.execPath, [bootstrap, 'dependencies'], { env })),
  );
  for (const { stdout } of runs) expect(stdout).toMatch(/npm packages +cached/);
});

test('node24 runs TypeScript, and works through a symbolic link', async () => {
  await mkdir(path.join(folder, 'bin'));
  const link = path.join(folder, 'bin', 'node24');
  await symlink(path.join(checkout, 'setup', 'node24'), link);
  const { stdout } = await run(link, ['-p', 'process.features.typescript'], {
    env: { ...process.env, PATH: '/usr/bin:/bin' },
  });
  expect(stdout.trim()).toBe('strip');
});

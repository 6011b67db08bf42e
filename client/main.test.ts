// The process of the CLI: what it says of an output that nobody reads, or that can't be written.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const MAIN = join(import.meta.dirname, 'main.ts');

it('does not pass for done where its output could not be written', () => {
  const full = openSync('/dev/full', 'w');
  const stdio = ['ignore' as const, full, 'pipe' as const];
  const { status, stderr } = spawnSync(process.execPath, [MAIN, '--version'], { stdio, encoding: 'utf8' });
  closeSync(full);
  expect(status).toBe(1);
  expect(stderr).toContain("standard output can't be written: ENOSPC");
});

it('ends well when its reader has seen enough, and when nobody hears its words', async () => {
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  child.stderr.destroy();
  expect((await once(child, 'close'))[0]).toBe(0);
});

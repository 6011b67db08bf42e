import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pyvmomiFolder } from '../testing/pyvmomi.ts';

test('the table that is checked in is what pyvmomi and the selection make', () => {
  const script = join(import.meta.dirname, 'generate.py');
  const run = () => execFileSync('python3', [script, '--check', pyvmomiFolder()], { stdio: 'pipe' });
  expect(run).not.toThrow();
}, 150_000);

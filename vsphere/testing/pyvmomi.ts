// For tests: pyvmomi, VMware's own client, as the foreign one that must see what ours sees. Installed once per
// user and version.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const VERSION = '9.1.1.0';
const INSTALL_TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = 30_000;

/** The folder with the package, for PYTHONPATH. */
export function pyvmomiFolder(): string {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'rundirect');
  const folder = join(cache, `pyvmomi-${VERSION}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  // Another test may be at it too: who is done first wins, and nobody sees half an installation.
  const fresh = mkdtempSync(join(cache, 'pyvmomi-'));
  try {
    const what = ['install', '--quiet', '--no-deps', '--target', fresh, `pyvmomi==${VERSION}`];
    execFileSync('python3', ['-m', 'pip', ...what], { timeout: INSTALL_TIMEOUT_MS, stdio: 'pipe' });
    if (!existsSync(folder)) renameSync(fresh, folder);
    return folder;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Runs a Python program with pyvmomi at hand; returns what it prints. */
export function runPython(file: string, ...parameters: readonly string[]): string {
  return execFileSync('python3', [file, ...parameters], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: pyvmomiFolder(), PYTHONDONTWRITEBYTECODE: '1' },
    timeout: RUN_TIMEOUT_MS,
  });
}

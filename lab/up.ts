// The lab that a person plays with: at most one per user, in the background, found again by its folder.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { LabError } from './error.ts';
import { attachLab, endProcess, type Lab, type LabOptions, startDetachedLab } from './lab.ts';

/** `${XDG_STATE_HOME:-~/.local/state}/rundirect/lab`. */
export function personalLabFolder(): string {
  const base = process.env['XDG_STATE_HOME'];
  const state = base !== undefined && path.isAbsolute(base) ? base : path.join(homedir(), '.local', 'state');
  return path.join(state, 'rundirect', 'lab');
}

/** The target's password, alone in a file that only this user can read: for `--password-file`. */
export const passwordFile = (directory: string): string => path.join(directory, 'password');

/** The personal lab, or undefined when it does not run. */
export async function findPersonalLab(): Promise<Lab | undefined> {
  try {
    return await attachLab(personalLabFolder());
  } catch (error) {
    if (error instanceof LabError && error.code === 'NotRunning') return undefined;
    throw error;
  }
}

/**
 * Starts the personal lab. Its datastores are those of the last time; VMs have to be registered anew.
 * @throws LabError Refused when it runs already; what startDetachedLab throws.
 */
export async function startPersonalLab(options: LabOptions): Promise<Lab> {
  const running = await findPersonalLab();
  if (running !== undefined)
    throw new LabError('Refused', `a lab runs already at ${running.url}; end it with: rundirect lab down`);
  const directory = personalLabFolder();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lab = await startDetachedLab({ ...options, directory });
  await writeFile(passwordFile(directory), `${lab.password}\n`, { mode: 0o600 });
  return lab;
}

/** Ends the personal lab and, if asked, removes its datastores. False when none ran. */
export async function stopPersonalLab(options: { readonly wipe: boolean }): Promise<boolean> {
  const running = await findPersonalLab();
  if (running !== undefined) await endProcess(running.pid);
  if (options.wipe) await rm(personalLabFolder(), { recursive: true, force: true });
  return running !== undefined;
}

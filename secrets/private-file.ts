// Files that only the service may read: made 0600 in a folder made 0700, replaced whole, durable on return.
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SecretsError } from './errors.ts';

const PRIVATE_MODE = 0o600;

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** What the call answers, or undefined when the file is not there. */
export async function ifPresent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeBeside(path: string, bytes: Uint8Array): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
  const handle = await open(temporary, 'wx', PRIVATE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return temporary;
}

/** Replaces the file atomically. */
export async function writePrivateFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await writeBeside(path, bytes);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes the file unless it exists; two processes that start at once agree on one content. False: it existed. */
export async function createPrivateFile(path: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = await writeBeside(path, bytes);
  try {
    await link(temporary, path);
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}

/** Undefined when there is no such file. Throws KeyUnavailable when others may read it. */
export async function readPrivateFile(path: string): Promise<Uint8Array | undefined> {
  const found = await ifPresent(stat(path));
  if (found === undefined) return undefined;
  if ((found.mode & 0o077) !== 0) {
    throw new SecretsError(
      'KeyUnavailable',
      `${path} can be read by other users of this machine. Run: chmod 600 ${path}`,
    );
  }
  return ifPresent(readFile(path));
}

/** Removes the file; durable on return. Nothing happens when there is none. */
export async function removePrivateFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await ifPresent(syncFolder(dirname(path)));
}

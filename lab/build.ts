// Builds the lab's two parts: its Go program and the disk of its guest. Both are kept in the user's cache under the
// content they were made from, are made in a temporary place and moved there whole, and are made again only when
// that content changes. Needs Go; for the guest Debian's package tools (lab/guest/build.sh names what is missing).
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { LabError } from './error.ts';

/** Told once per step that took time, in a sentence with its duration. */
export type Progress = (line: string) => void;

const run = promisify(execFile);
const labFolder = import.meta.dirname;
const guestFolder = path.join(labFolder, 'guest');
const KERNEL_META_PACKAGE = 'linux-image-cloud-amd64';
const GO_BUILD_LIMIT_MS = 15 * 60_000;
const GUEST_BUILD_LIMIT_MS = 5 * 60_000;
const APT_QUERY_LIMIT_MS = 20_000;
const MAX_OUTPUT_BYTES = 16 << 20;
const KEY_CHARS = 16;

/** `${XDG_CACHE_HOME:-~/.cache}/rundirect`. */
function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return path.join(
    base !== undefined && path.isAbsolute(base) ? base : path.join(homedir(), '.cache'),
    'rundirect',
  );
}

/**
 * Makes sure that the lab's program is there.
 * @returns its absolute path.
 * @throws LabError BuildFailed when Go is missing or does not compile it.
 */
export async function ensureLabBinary(progress: Progress = () => undefined): Promise<string> {
  const folder = path.join(cacheFolder(), `lab-${await keyOf(await goSources())}`);
  const binary = path.join(folder, 'rundirect-lab');
  if (await isThere(binary)) return binary;
  const startedMs = Date.now();
  const making = `${folder}.making-${randomBytes(6).toString('hex')}`;
  await mkdir(making, { recursive: true });
  try {
    // No -trimpath: with the same flags as `go test` and `go vet`, all share one compile cache.
    const args = ['build', '-ldflags', '-s -w', '-buildvcs=false'];
    await run('go', [...args, '-o', path.join(making, 'rundirect-lab'), './cmd/rundirect-lab'], {
      cwd: labFolder,
      timeout: GO_BUILD_LIMIT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    await moveInto(making, folder, binary);
  } catch (error) {
    throw buildFailed("the lab's program could not be built with Go (https://go.dev/doc/install)", error);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  progress(`lab program built in ${secondsSince(startedMs)} s: ${binary}`);
  return binary;
}

/**
 * Makes sure that the guest's disk image is there: raw, 40 MiB, sparse. It is never written to: each VM gets a copy.
 * @returns its absolute path.
 * @throws LabError BuildFailed, naming the tool that is missing or the download that failed.
 */
export async function ensureGuestDisk(progress: Progress = () => undefined): Promise<string> {
  const inputs = await keyOf(await filesBelow(guestFolder));
  const earlier = await earlierGuest(inputs);
  if (earlier !== undefined) return earlier;
  const kernel = await kernelPackage();
  if (kernel === undefined) {
    throw new LabError(
      'BuildFailed',
      `the lab's guest needs a Linux kernel, and apt-cache does not know ${KERNEL_META_PACKAGE}. ` +
        'On Debian, refresh the package lists: apt-get update',
    );
  }
  const folder = path.join(cacheFolder(), `guest-${inputs}-${kernel.key}`);
  const disk = path.join(folder, 'disk.raw');
  const startedMs = Date.now();
  await mkdir(path.dirname(folder), { recursive: true });
  try {
    await run(path.join(guestFolder, 'build.sh'), [kernel.name, folder], {
      timeout: GUEST_BUILD_LIMIT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
  } catch (error) {
    throw buildFailed("the lab's guest could not be built", error);
  }
  progress(`lab guest built with ${kernel.name} in ${secondsSince(startedMs)} s: ${disk}`);
  return disk;
}

/** The kernel that Debian's meta package stands for now. `key` changes with its version. */
async function kernelPackage(): Promise<{ name: string; key: string } | undefined> {
  try {
    const options = { timeout: APT_QUERY_LIMIT_MS };
    const { stdout } = await run('apt-cache', ['show', '--no-all-versions', KERNEL_META_PACKAGE], options);
    const name = /^Depends: (linux-image-[a-z0-9.+-]+)/m.exec(stdout)?.[1];
    const version = /^Version: (\S+)/m.exec(stdout)?.[1];
    if (name === undefined || version === undefined) return undefined;
    return {
      name,
      key: `${name.replace('linux-image-', '')}-${version.replaceAll(/[^A-Za-z0-9.+-]/g, '-')}`,
    };
  } catch {
    return undefined;
  }
}

/** A guest of the same inputs is as good with an older kernel; asking Debian for the newest takes seconds. */
async function earlierGuest(inputs: string): Promise<string | undefined> {
  const folders = await readdir(cacheFolder()).catch(() => []);
  for (const name of folders.sort().reverse()) {
    const disk = path.join(cacheFolder(), name, 'disk.raw');
    if (name.startsWith(`guest-${inputs}-`) && (await isThere(disk))) return disk;
  }
  return undefined;
}

async function goSources(): Promise<string[]> {
  const files = await filesBelow(labFolder);
  return files.filter((file) => /(\.go|go\.mod|go\.sum)$/.test(file) && !file.endsWith('_test.go'));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

/** A digest of names and contents. */
async function keyOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const content = await readFile(file);
    hash.update(`${path.relative(labFolder, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, KEY_CHARS);
}

/** Renames a finished folder to its place, unless somebody else was faster. */
async function moveInto(making: string, folder: string, proof: string): Promise<void> {
  try {
    await rename(making, folder);
  } catch (error) {
    if (!(await isThere(proof))) throw error;
  }
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

function buildFailed(what: string, error: unknown): LabError {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const why = said === '' ? (error instanceof Error ? error.message : String(error)) : said;
  return new LabError('BuildFailed', `${what}: ${why}`, { cause: error });
}

const secondsSince = (startedMs: number): string => ((Date.now() - startedMs) / 1000).toFixed(1);

// The Workflows' code in the form that Temporal's sandbox runs. Bundling it takes seconds, which a worker that comes
// back after a crash does not have: so it is done once for one state of the sources and the locked dependencies, and
// kept in the user's cache. A cache that can't be written costs the seconds, and nothing else.
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleOption } from '@temporalio/worker';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const workflowsPath = join(checkout, 'workflows/index.ts');
/** What a bundle is made of; `package-lock.json` stands for everything that is not ours. */
const SOURCE_FOLDERS = ['workflows', 'contract'];
const LOCKFILE = 'package-lock.json';
const KEY_CHARS = 16;

/** As `Worker.create` takes it. @throws what the bundler says of sources that can't be bundled. */
export async function loadWorkflowBundle(): Promise<WorkflowBundleOption> {
  const codePath = join(cacheFolder(), `workflows-${await keyOfSources()}.js`);
  if (await isThere(codePath)) return { codePath };
  // The bundler tells at length what it did; only what is wrong is worth a line.
  const bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  return (await keep(codePath, bundle.code)) ? { codePath } : bundle;
}

/** `${XDG_CACHE_HOME:-~/.cache}/rundirect`. */
function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'rundirect');
}

async function keyOfSources(): Promise<string> {
  const hash = createHash('sha256');
  const inFolders = await Promise.all(SOURCE_FOLDERS.map(sourcesIn));
  for (const file of [LOCKFILE, ...inFolders.flat()]) {
    const content = await readFile(join(checkout, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, KEY_CHARS);
}

async function sourcesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(join(checkout, folder), { recursive: true });
  const isSource = (name: string): boolean => name.endsWith('.ts') && !name.endsWith('.test.ts');
  return names
    .filter(isSource)
    .sort()
    .map((name) => `${folder}/${name}`);
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}

/** Whole or not at all, whoever writes the same meanwhile. */
async function keep(file: string, code: string): Promise<boolean> {
  const written = `${file}.${randomUUID()}`;
  try {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(written, code, { mode: 0o600, flush: true });
    await rename(written, file);
    return true;
  } catch {
    await rm(written, { force: true }).catch(() => undefined);
    return false;
  }
}

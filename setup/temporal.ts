// The Temporal CLI, whose `server start-dev` is the server of the demo and the tests. Three ways, in order:
// one on the PATH that is new enough; the official release, checked against its published checksums; a build
// by Go, which takes minutes but needs no more than the Go module proxy. What was got is kept per user under
// its version. 1.5.1 is the newest that `go install` builds: later tags carry a replace directive.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, constants, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheFolder, runCommand, SetupError, type Step, type StepOutcome } from './step.ts';

const VERSION = '1.5.1';
const MODULE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;
const RELEASE = `https://github.com/temporalio/cli/releases/download/v${VERSION}`;
/** Without internet the next way is tried after this; it also bounds a download that has stopped moving. */
const CONNECT_LIMIT_MS = 10_000;
const DOWNLOAD_LIMIT_MS = 5 * 60_000;
const BUILD_LIMIT_MS = 20 * 60_000;
const NOTE_EVERY_MS = 30_000;

/** Where set-up puts the binary; keyed by version. */
const cachedBinary = (): string => path.join(cacheFolder(), `temporal-${VERSION}`, 'temporal');

/** The Temporal CLI that is there now: an absolute path, or undefined if `npm run setup` has to get it. */
export async function findTemporal(): Promise<string | undefined> {
  return (await findOnPath()) ?? ((await isExecutable(cachedBinary())) ? cachedBinary() : undefined);
}

export const temporalStep: Step = {
  name: 'Temporal CLI',
  run: async (note): Promise<StepOutcome> => {
    const found = await findTemporal();
    if (found !== undefined) return { cached: true, detail: found };
    await mkdir(cacheFolder(), { recursive: true });
    const work = await mkdtemp(path.join(cacheFolder(), 'temporal-new-'));
    try {
      const binary = await download(work, note).catch(async (downloadError: unknown) => {
        note(`no download (${reasonOf(downloadError)}); building it with Go, which takes some minutes, once`);
        return build(work, note, downloadError);
      });
      await mkdir(path.dirname(cachedBinary()), { recursive: true });
      await rename(binary, cachedBinary());
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    return { cached: false, detail: cachedBinary() };
  },
};

async function findOnPath(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, 'temporal');
    if (!path.isAbsolute(folder) || !(await isExecutable(candidate))) continue;
    const { code, output } = await runCommand(candidate, ['--version'], { timeoutMs: 10_000 });
    if (code === 0 && isNewEnough(output)) return candidate;
  }
  return undefined;
}

/** `temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)`; a build by Go calls itself 0.0.0-DEV, so the server counts. */
export function isNewEnough(versionLine: string): boolean {
  const server = /Server (\d+)\.(\d+)\./.exec(versionLine);
  if (server === null) return false;
  const [major, minor] = [Number(server[1]), Number(server[2])];
  return major > 1 || (major === 1 && minor >= 29);
}

async function download(work: string, note: (text: string) => void): Promise<string> {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
  if (arch === undefined || !['linux', 'darwin'].includes(process.platform))
    throw new Error(`no release for ${process.platform} on ${process.arch}`);
  const archiveName = `temporal_cli_${VERSION}_${process.platform}_${arch}.tar.gz`;
  const checksums = await (await get(`${RELEASE}/checksums.txt`)).text();
  const expected = checksums
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([, name]) => name === archiveName)?.[0];
  if (expected === undefined) throw new Error(`the release's checksums do not name ${archiveName}`);

  note(`downloading ${RELEASE}/${archiveName}`);
  const archive = path.join(work, archiveName);
  const { body } = await get(`${RELEASE}/${archiveName}`);
  if (body === null) throw new Error('the answer has no body');
  await pipeline(body, createWriteStream(archive));
  const digest = createHash('sha256')
    .update(await readFile(archive))
    .digest('hex');
  if (digest !== expected) throw new Error(`${archiveName} has SHA-256 ${digest}, and not ${expected}`);
  const untar = await runCommand('tar', ['-xzf', archive, '-C', work, 'temporal'], { timeoutMs: 60_000 });
  if (untar.code !== 0) throw new Error(`tar: ${untar.output.trim()}`);
  return path.join(work, 'temporal');
}

async function get(url: string): Promise<Response> {
  const controller = new AbortController();
  const connect = setTimeout(() => controller.abort(new Error('no answer within 10 s')), CONNECT_LIMIT_MS);
  try {
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(DOWNLOAD_LIMIT_MS)]);
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return response;
  } finally {
    clearTimeout(connect);
  }
}

async function build(work: string, note: (text: string) => void, downloadError: unknown): Promise<string> {
  const startedMs = Date.now();
  const notes = setInterval(
    () => note(`building … ${Math.round((Date.now() - startedMs) / 1000)} s`),
    NOTE_EVERY_MS,
  );
  const built = await runCommand('go', ['install', '-trimpath', '-ldflags=-s -w', MODULE], {
    timeoutMs: BUILD_LIMIT_MS,
    env: { ...process.env, GOBIN: work, CGO_ENABLED: '0' },
  }).finally(() => clearInterval(notes));
  if (built.code !== 0)
    throw new SetupError(
      `The Temporal CLI can't be had. The download failed: ${reasonOf(downloadError)}. ` +
        `\`go install ${MODULE}\` failed: ${built.output.trim().slice(-2000)}\n` +
        `Put a Temporal CLI 1.5.1 or newer on the PATH, or at ${cachedBinary()}; ` +
        'https://docs.temporal.io/cli says how to get it.',
      { cause: downloadError },
    );
  return path.join(work, 'temporal');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

// The gateway as a process, asked over its control socket and over NFS by a foreign client (libnfs), and killed.
import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayClient } from './gateway-client.ts';
import { controlSocketPath } from './state-directory.ts';
import { digests, publishRequest, type TestSite, testSite } from './testing/fixture.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const CLIENT_TIMEOUT_MS = 15_000;
const run = promisify(execFile);

interface Ready {
  readonly ports: { readonly nfs: number; readonly mount: number };
}

let site: TestSite;
let running: ChildProcess | undefined;
let log = '';

const commandLine = (args: readonly string[]): string[] => [
  ...[MAIN, '--json', '--state', site.stateDirectory],
  ...['--advertise', '127.0.0.1', '--host', '127.0.0.1', '--no-portmap'],
  ...args,
];

function spawnGateway(args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(process.execPath, commandLine(args), { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  return child;
}

async function start(port = 0): Promise<number> {
  const child = spawnGateway(['--nfs-port', String(port), '--mount-port', String(port)]);
  running = child;
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return (JSON.parse(line) as Ready).ports.nfs;
}

async function end(signal: NodeJS.Signals): Promise<number | null> {
  if (running === undefined || running.exitCode !== null || running.signalCode !== null) return null;
  const closed = once(running, 'close') as Promise<[number | null]>;
  running.kill(signal);
  return (await closed)[0];
}

const client = (): GatewayClient => new GatewayClient(controlSocketPath(site.stateDirectory));
const url = (port: number, path: string): string =>
  `nfs://127.0.0.1/rundirect/esx1/${path}?version=3&nfsport=${port}&mountport=${port}`;

async function nfsCat(port: number, path: string): Promise<Buffer> {
  const options = { encoding: 'buffer', maxBuffer: 256 * 1024 * 1024, timeout: CLIENT_TIMEOUT_MS } as const;
  return (await run('nfs-cat', [url(port, path)], options)).stdout;
}

beforeEach(async () => {
  site = await testSite();
  log = '';
});
afterEach(async () => {
  await end('SIGKILL');
  await site[Symbol.asyncDispose]();
});

describe('the gateway process', () => {
  it('serves a published disk that libnfs reads byte for byte, and keeps what it writes across kill -9', async () => {
    const vault = await digests(site.vault);
    const port = await start();
    const published = await client().publish(publishRequest(site, 's1'));
    expect(published.vmxPath).toBe('s1/web01.vmx');
    expect((await nfsCat(port, 's1/web01-flat.vmdk')).equals(site.disk)).toBe(true);
    expect((await client().mounts())[0]).toMatchObject({ targetId: 'esx1', address: '127.0.0.1' });

    const written = randomBytes(3 * 1024 * 1024 + 17);
    const source = join(site.root, 'written');
    await writeFile(source, written);
    await run('nfs-cp', [source, url(port, 's1/web01-000001-delta.vmdk')], { timeout: CLIENT_TIMEOUT_MS });
    await end('SIGKILL');
    expect(await start(port)).toBe(port);
    expect((await nfsCat(port, 's1/web01-000001-delta.vmdk')).equals(written)).toBe(true);
    expect((await nfsCat(port, 's1/web01-flat.vmdk')).equals(site.disk)).toBe(true);
    expect((await client().exports()).map(({ sessionId, lastError }) => [sessionId, lastError])).toEqual([
      ['s1', undefined],
    ]);
    await client().drop('s1');
    await expect(nfsCat(port, 's1/web01.vmx')).rejects.toThrow();
    expect(await end('SIGTERM')).toBe(0);
    expect(await digests(site.vault)).toEqual(vault);
    expect(log).not.toContain(site.setKey);
  });

  it('is killed while a client writes, and comes back: the client goes on and loses nothing', async () => {
    const port = await start();
    await client().publish(publishRequest(site, 's1', { reserveFactor: 50 }));
    const written = randomBytes(24 * 1024 * 1024);
    const source = join(site.root, 'written');
    await writeFile(source, written);
    const copying = run('nfs-cp', [source, url(port, 's1/big')], { timeout: CLIENT_TIMEOUT_MS });
    for (const atBytes of [2, 8, 14]) {
      await expect
        .poll(async () => (await client().exportStatus('s1')).overlayBytes, { timeout: 10_000, interval: 2 })
        .toBeGreaterThan(atBytes * 1024 * 1024);
      await end('SIGKILL');
      await start(port);
    }
    await copying;
    expect((await nfsCat(port, 's1/big')).equals(written)).toBe(true);
  });

  it('refuses a state folder that is in use and a port that is taken, and says what to do', async () => {
    const port = await start();
    const second = spawnGateway(['--nfs-port', '0', '--mount-port', '0']);
    expect((await once(second, 'close'))[0]).toBe(2);
    expect(log).toContain('another gateway runs on it');
    const other = await testSite();
    const first = site;
    site = other;
    const third = spawnGateway(['--nfs-port', String(port), '--mount-port', String(port)]);
    expect((await once(third, 'close'))[0]).toBe(1);
    expect(log).toContain(String(port));
    expect(log).toContain('--nfs-port');
    site = first;
    await other[Symbol.asyncDispose]();
  });

  it.each(['', 'two words', 'http://gateway', '10.1.0.5:2049'])(
    'is not started under the address %j, which no host can mount',
    async (address) => {
      const child = spawnGateway(['--nfs-port', '0', '--mount-port', '0', '--advertise', address]);
      expect((await once(child, 'close'))[0]).toBe(2);
      expect(log).toContain('--advertise');
    },
  );

  it('opens its socket and its state to its own user alone', async () => {
    await start();
    expect((await stat(controlSocketPath(site.stateDirectory))).mode & 0o777).toBe(0o600);
    expect((await stat(site.stateDirectory)).mode & 0o777).toBe(0o700);
    await end('SIGKILL');
    await expect(client().status()).rejects.toMatchObject({ code: 'GatewayUnavailable' });
    await start();
    expect((await client().status()).exports).toBe(0);
  });

  it('lives on where neither its log nor that it is ready can be written', async () => {
    const full = openSync('/dev/full', 'w');
    try {
      const stdio = ['ignore', full, full] as const;
      running = spawn(process.execPath, commandLine(['--nfs-port', '0', '--mount-port', '0']), {
        stdio: [...stdio],
      });
    } finally {
      closeSync(full);
    }
    await expect
      .poll(
        () =>
          client()
            .status()
            .catch(() => undefined),
        { timeout: 10_000 },
      )
      .toBeDefined();
    const { ports } = await client().status();
    // Garbage is worth a line in the log.
    const peer = connect(ports.nfs, '127.0.0.1');
    peer.end('GET / HTTP/1.0\r\n\r\n');
    peer.on('error', () => undefined).resume();
    await once(peer, 'close');
    await client().publish(publishRequest(site, 's1'));
    expect(await end('SIGTERM')).toBe(0);
  });

  it('says in JSON, too, why it is not started', async () => {
    const child = spawnGateway(['--site', 'Main Street']);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    expect(JSON.parse(line)).toMatchObject({ error: { type: 'Usage' } });
    const options = ['status', '--json', '--state', join(site.root, 'nowhere')];
    const failed = await run(process.execPath, [MAIN, ...options]).catch((error: unknown) => error);
    expect(JSON.parse((failed as { stdout: string }).stdout)).toMatchObject({
      error: { type: 'GatewayUnavailable' },
    });
  });

  it('shows its state', async () => {
    await start();
    await client().publish(publishRequest(site, 's1'));
    await client().takeLease({ host: 'esx', datastore: 'rundirect-main', sessionId: 's1' });
    await client().takeTurn({ sessionId: 's1', places: ['esx1/ds-1', 'esx1/ds-2'], atATime: 2 });
    const args = ['status', '--state', site.stateDirectory];
    const { stdout } = await run(process.execPath, [MAIN, ...args]);
    expect(stdout).toContain('/rundirect/esx1/s1');
    expect(stdout).toContain('  s1 to esx1/ds-1, esx1/ds-2');
    const json = JSON.parse((await run(process.execPath, [MAIN, ...args, '--json'])).stdout) as {
      exports: { sessionId: string }[];
      leases: unknown[];
      turns: unknown[];
    };
    expect(json.exports[0]?.sessionId).toBe('s1');
    expect(json.leases).toHaveLength(1);
    expect(json.turns).toHaveLength(1);
    expect(await readFile(join(site.stateDirectory, 'registry.json'), 'utf8')).not.toContain(site.setKey);
  });
});

// The vault as two foreigners see it: a reader written in Go from docs/vault-format.md alone, with other libraries
// for Argon2, HKDF, GCM and zstd, and qemu-img, which made the disk and judges what the reader got back.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { initVault, openVault } from './index.ts';
import { memorySource } from './testing/memory-source.ts';

const PASSPHRASE = 'correct horse battery staple';
const SIZE_MIB = 70;
/** The first build fetches two modules and compiles them. */
const BUILD_TIMEOUT_MS = 240_000;

let root: string;
let reader: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vault-foreign-'));
  reader = join(root, 'foreign-reader');
  execFileSync('go', ['build', '-o', reader, '.'], {
    cwd: join(import.meta.dirname, 'testing', 'foreign-reader'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}, BUILD_TIMEOUT_MS);
afterAll(async () => rm(root, { recursive: true }));

function write(disk: string, ...commands: string[]): void {
  execFileSync('qemu-io', ['-f', 'vmdk', ...commands.flatMap((command) => ['-c', command]), disk], {
    stdio: 'ignore',
  });
}

it('is read by a program that knows nothing but the format, at every job of a chain', async () => {
  const disk = join(root, 'ledger.vmdk');
  const flat = join(root, 'ledger-flat.vmdk');
  const options = ['create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat'];
  execFileSync('qemu-img', [...options, disk, `${SIZE_MIB}M`]);
  const location = join(root, 'vault');
  await initVault(location);
  const set = await (await openVault(location)).createSet('office', PASSPHRASE);

  /** QEMU gives the disk a new CID with every change. */
  const descriptors: Buffer[] = [];
  const steps = [
    ['write -P 0x11 0 3M', 'write -P 0x22 65M 100k'],
    ['write -P 0x33 1M 17k', 'write -P 0 64k 64k'],
    ['write -P 0x44 69M 512'],
  ];
  for (const [index, commands] of steps.entries()) {
    write(disk, ...commands);
    descriptors.push(await readFile(disk));
    const files = [{ name: 'ledger.vmdk', bytes: await readFile(disk) }];
    await set.backup([
      memorySource({ vmName: 'ledger', disks: { 'ledger.vmdk': await readFile(flat) }, files }),
    ]);
    execFileSync('cp', ['--sparse=always', flat, join(root, `expected-${index + 1}`)]);
  }

  for (const sequence of [1, 2, 3]) {
    const output = join(root, `restored-${sequence}`);
    execFileSync(reader, [location, 'office', String(sequence), 'ledger', 'ledger.vmdk', output], {
      input: PASSPHRASE,
    });
    expect((await stat(output)).size).toBe(SIZE_MIB * 1024 * 1024);
    expect(await readFile(`${output}.ledger.vmdk`)).toEqual(descriptors[sequence - 1]);
    execFileSync('qemu-img', [
      'compare',
      '-q',
      '-f',
      'raw',
      '-F',
      'raw',
      output,
      join(root, `expected-${sequence}`),
    ]);
  }
  execFileSync('cp', ['--sparse=always', join(root, 'restored-3'), join(root, 'copy-flat.vmdk')]);
  execFileSync('sh', ['-c', 'sed s/ledger-flat/copy-flat/ ledger.vmdk > copy.vmdk'], { cwd: root });
  execFileSync('qemu-img', ['compare', '-q', join(root, 'copy.vmdk'), disk]);
}, 60_000);

it('refuses the foreigner, too, without the passphrase', () => {
  const args = [join(root, 'vault'), 'office', '1', 'ledger', 'ledger.vmdk', join(root, 'none')];
  expect(() => execFileSync(reader, args, { input: 'wrong', stdio: ['pipe', 'ignore', 'pipe'] })).toThrow(
    /authentication failed/,
  );
});

// What a user may get wrong, and what may stand in the way: each is told in clear words with a code for scripts,
// ends with an exit code that is not 0, and leaves nothing behind.
import { randomBytes } from 'node:crypto';
import { cp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { CommandResult } from '../../demo/command-line.ts';
import { freePorts } from '../../demo/free-ports.ts';
import type { LabVm } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { withHouse } from './with-house.ts';

/** Enough for a start with the usual reserve, and not for ten times the disk. */
const suite = withHouse({ model: 'esx', space: '256MiB' });
const SET = 'nightly';
const VM = 'web01';
const MIB = 1024 * 1024;
let original: LabVm;

beforeAll(async () => {
  const { house } = suite;
  original = await house.createVm(VM);
  await house.backup(SET, original.folder);
  await changeDisk(original);
  await house.backup(SET, original.folder);
});

afterEach(async () => {
  expect(await leftovers(suite.house.stack)).toEqual([]);
});

interface Refusal {
  readonly type: string;
  readonly message: string;
  readonly findings?: readonly { readonly code: string; readonly message: string }[];
}

/** What a command was refused with. It must have failed, in words on standard error and as a document. */
function refusalOf(result: CommandResult): Refusal {
  expect(result.code, result.stdout).not.toBe(0);
  expect(result.stderr.trim()).not.toBe('');
  expect(result.stderr).not.toMatch(/ {4}at .*:\d+:\d+/);
  return result.documents.at(-1)?.['error'] as Refusal;
}

/** Tries a start under another name than the original's, so that only the mistake at hand is in the way. */
async function refusedStart(...flags: string[]): Promise<Refusal> {
  const { house } = suite;
  return refusalOf(await house.run([...house.startFlags(SET, VM), '--name', 'other', ...flags]));
}

/** The flags of such a start with some taken out, which a test brings itself. */
function startWithout(...names: string[]): string[] {
  const flags = [...suite.house.startFlags(SET, VM), '--name', 'other'];
  return flags.filter((flag, index) => !names.includes(flag) && !names.includes(flags[index - 1] ?? ''));
}

/** Writes what does not compress, so that the delta's block file is mostly block. */
async function changeDisk(vm: LabVm): Promise<void> {
  const flat = (await readdir(vm.folder)).find((name) => name.endsWith('-flat.vmdk'));
  const file = await open(path.join(vm.folder, flat ?? ''), 'r+');
  await file.write(randomBytes(256 * 1024), 0, undefined, 30 * MIB);
  await file.close();
}

describe('what is named wrongly', () => {
  test('wrong passphrase', async () => {
    const result = await suite.house.run([...startWithout('--passphrase-file'), '--passphrase-stdin'], {
      stdin: 'not it\n',
    });
    expect(refusalOf(result).type).toBe('KeyRejected');
  });

  test.each([
    ['--set', 'weekly'],
    ['--vm', 'web02'],
    ['--job', 'no-such-job'],
  ])('unknown %s', async (flag, value) => {
    const refusal = refusalOf(await suite.house.run([...startWithout(flag), flag, value]));
    expect(refusal.type).toBe('BackupNotFound');
    expect(refusal.message).toContain(value);
  });

  test('a folder that is no vault', async () => {
    const refusal = refusalOf(
      await suite.house.run([...startWithout('--vault'), '--vault', original.folder]),
    );
    expect(refusal.type).toBe('NotAVault');
  });

  test('a command line that makes no sense', async () => {
    const result = await suite.house.run(['start', '--vault', 'relative/path']);
    expect(refusalOf(result).type).toBe('Usage');
    expect(result.code).toBe(2);
  });
});

describe('the target', () => {
  test('is down', async () => {
    const [port = 0] = await freePorts(1);
    const refusal = await refusedStart('--target', `127.0.0.1:${port}`);
    expect(refusal.type).toBe('TargetUnavailable');
    expect(refusal.message).toContain(String(port));
  });

  test('rejects the password', async () => {
    const result = await suite.house.run([...startWithout('--password-file'), '--password-stdin'], {
      stdin: 'not it\n',
    });
    expect(refusalOf(result).type).toBe('InvalidLogin');
  });

  test('shows another certificate than the one that is pinned', async () => {
    const refusal = await refusedStart('--fingerprint', 'AB'.repeat(32));
    expect(refusal.type).toBe('CertificateMismatch');
  });

  test('has a licence whose API only reads', async () => {
    const lab = suite.house.stack.lab.ready;
    await lab.setLicence('free');
    try {
      expect((await refusedStart()).type).toBe('LicenceRestricted');
    } finally {
      await lab.setLicence('full');
    }
  });

  test('has a VM of that name', async () => {
    const { house } = suite;
    const refusal = refusalOf(await house.run(house.startFlags(SET, VM)));
    expect(refusal.type).toBe('NameTaken');
    expect(refusal.message).toContain(VM);
  });

  test('still runs the original, with the same MAC address', async () => {
    await original.powerOn();
    try {
      const refusal = await refusedStart();
      expect(JSON.stringify(refusal)).toContain('OriginalRunning');
    } finally {
      await original.powerOff();
    }
  });
});

describe('the backup', () => {
  /** A copy of the vault with something done to the delta's block file: the smaller one, beside the full's. */
  async function damagedVault(
    damage: (blockFile: string) => Promise<void>,
  ): Promise<{ vault: string; blockFile: string }> {
    const { house } = suite;
    const vault = path.join(house.stack.folder, 'damaged-vault');
    await rm(vault, { recursive: true, force: true });
    await cp(house.vault, vault, { recursive: true });
    const blocks = path.join(vault, 'sets', SET, 'blocks');
    const files = await Promise.all(
      (await readdir(blocks)).map(async (name) => {
        const file = path.join(blocks, name);
        return { file, size: (await stat(file)).size };
      }),
    );
    expect(files).toHaveLength(2);
    const blockFile = files.sort((one, other) => one.size - other.size)[0]?.file ?? '';
    await damage(blockFile);
    return { vault, blockFile };
  }

  test('has a flipped byte: file, disk and block are named', async () => {
    const { vault, blockFile } = await damagedVault(async (file) => {
      const middle = Math.floor((await stat(file)).size / 2);
      const handle = await open(file, 'r+');
      const byte = Buffer.alloc(1);
      await handle.read(byte, 0, 1, middle);
      await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, middle);
      await handle.close();
    });
    const refusal = refusalOf(
      await suite.house.run([...startWithout('--vault'), '--vault', vault, '--verify', 'before']),
    );
    expect(refusal.type).toBe('BlockCorrupt');
    expect(refusal.message).toContain(path.basename(blockFile));
    expect(refusal.message).toContain(`${VM}.vmdk`);
    expect(refusal.message).toMatch(/block \d+/);
  });

  test('has a byte missing', async () => {
    const { vault, blockFile } = await damagedVault(async (file) =>
      truncate(file, (await stat(file)).size - 1),
    );
    const refusal = refusalOf(await suite.house.run([...startWithout('--vault'), '--vault', vault]));
    expect(['BlockCorrupt', 'ChainBroken']).toContain(refusal.type);
    expect(refusal.message).toContain(path.basename(blockFile));
  });

  test('asks for hardware that cannot come along', async () => {
    const { house } = suite;
    const vm = await house.createVm('special');
    try {
      const vmx = path.join(vm.folder, 'special.vmx');
      await writeFile(vmx, 'pciPassthru0.present = "TRUE"\nvtpm.present = "TRUE"\n', { flag: 'a' });
      await house.backup('special-set', vm.folder);
      const refusal = refusalOf(
        await house.run([...house.startFlags('special-set', 'special'), '--name', 'other']),
      );
      const codes = refusal.findings?.map(({ code }) => code);
      expect(codes).toEqual(expect.arrayContaining(['PciPassthrough', 'VirtualTpm']));
    } finally {
      await vm.destroy();
    }
  });

  test('is not taken of a VM that runs', async () => {
    const { house } = suite;
    await original.powerOn();
    try {
      const flags = ['--vault', house.vault, '--set', SET, '--passphrase-file', house.passphraseFile];
      expect(refusalOf(await house.run(['backup', ...flags, original.folder])).type).toBe('SourceInUse');
      expect((await house.list()).backupSets[0]?.jobs).toHaveLength(2);
    } finally {
      await original.powerOff();
    }
  });
});

describe('the gateway', () => {
  test('has too little space for the changes', async () => {
    const refusal = await refusedStart('--reserve-factor', '10');
    expect(refusal.type).toBe('StorageFull');
    expect(refusal.message).toMatch(/[KMG]iB/);
  });

  test('does not run', async () => {
    const { gateway } = suite.house.stack.site;
    await gateway.stop();
    try {
      expect((await refusedStart()).type).toBe('GatewayUnavailable');
    } finally {
      await gateway.start();
    }
  });

  test('does not start on a port that somebody uses, and names it', async () => {
    const { stack } = suite.house;
    const { nfsPort, address } = stack.site;
    const state = path.join(stack.folder, 'second-state');
    const result = await stack.rundirect([
      ...[
        'gateway',
        '--json',
        '--site',
        'second',
        '--state',
        state,
        '--advertise',
        address,
        '--host',
        address,
      ],
      ...['--nfs-port', String(nfsPort), '--mount-port', '0', '--no-portmap'],
    ]);
    expect(result.code).not.toBe(0);
    expect(`${result.stderr}${result.stdout}`).toContain(String(nfsPort));
  });
});

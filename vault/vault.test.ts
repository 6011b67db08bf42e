import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initVault, openVault } from './index.ts';
import { encodeManifest } from './job-manifest.ts';
import type { BackupSet, Vault } from './ports.ts';
import { memorySource } from './testing/memory-source.ts';

const MIB = 1024 * 1024;
const BLOCK = 64 * 1024;
let root: string;
let made = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vault-'));
});
afterAll(async () => rm(root, { recursive: true }));

async function newVault(): Promise<{ location: string; vault: Vault }> {
  made += 1;
  const location = join(root, `vault-${made}`);
  await initVault(location);
  return { location, vault: await openVault(location) };
}

async function newSet(): Promise<{ location: string; vault: Vault; set: BackupSet }> {
  const { location, vault } = await newVault();
  return { location, vault, set: await vault.createSet('office', 'correct horse') };
}

const oneDisk = (bytes: Uint8Array) => memorySource({ vmName: 'ledger', disks: { 'ledger.vmdk': bytes } });

async function contents(set: BackupSet, jobId: string, diskName = 'ledger.vmdk'): Promise<Buffer> {
  const vm = await set.openVm(jobId, 'ledger');
  const image = await vm.openImage(diskName);
  const into = Buffer.alloc(image.sizeBytes, 0xee);
  await image.read(0, into);
  await vm.close();
  return into;
}

describe('a vault', () => {
  it('is made once, in an empty place', async () => {
    const location = join(root, 'deep', 'er');
    const { vaultId } = await initVault(location);
    expect((await openVault(location)).vaultId).toBe(vaultId);
    await expect(initVault(location)).rejects.toMatchObject({ code: 'VaultExists' });
    await mkdir(join(root, 'photos'));
    await writeFile(join(root, 'photos', 'cat.jpg'), 'x');
    await expect(initVault(join(root, 'photos'))).rejects.toMatchObject({ code: 'NotAVault' });
    await expect(initVault(join(root, 'photos', 'cat.jpg'))).rejects.toMatchObject({ code: 'NotAVault' });
    expect(await readdir(join(root, 'photos'))).toEqual(['cat.jpg']);
  });

  it('is refused at once where no folder can be made', async () => {
    await expect(initVault('/proc/none/vault')).rejects.toMatchObject({ code: 'DestinationUnavailable' });
  });

  it('is told from nothing and from something else', async () => {
    await expect(openVault(join(root, 'none'))).rejects.toMatchObject({ code: 'VaultNotFound' });
    await mkdir(join(root, 'other'));
    await expect(openVault(join(root, 'other'))).rejects.toMatchObject({ code: 'NotAVault' });
    await writeFile(
      join(root, 'other', 'vault.json'),
      '{"format":"rundirect-vault","version":99,"vaultId":"x","createdAt":""}',
    );
    await expect(openVault(join(root, 'other'))).rejects.toMatchObject({ code: 'FormatUnsupported' });
    await writeFile(join(root, 'other', 'vault.json'), '{"format":"other"}');
    await expect(openVault(join(root, 'other'))).rejects.toMatchObject({ code: 'NotAVault' });
  });

  it('opens a set with its passphrase or its key and with nothing else', async () => {
    const { vault, set } = await newSet();
    await set.backup([oneDisk(randomBytes(BLOCK))]);
    expect(await vault.hasSet('office')).toBe(true);
    expect(await vault.hasSet('home')).toBe(false);
    expect((await vault.unlockSet('office', 'correct horse')).key).toEqual(set.key);
    await expect(vault.unlockSet('office', 'wrong horse')).rejects.toMatchObject({ code: 'KeyRejected' });
    await expect(vault.openSetWithKey('office', randomBytes(32))).rejects.toMatchObject({
      code: 'KeyRejected',
    });
    await expect(vault.openSetWithKey('office', randomBytes(31))).rejects.toMatchObject({
      code: 'KeyRejected',
    });
    expect((await vault.openSetWithKey('office', set.key)).name).toBe('office');
    await expect(vault.unlockSet('home', 'x')).rejects.toMatchObject({ code: 'BackupNotFound' });
    await expect(vault.createSet('office', 'x')).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(vault.createSet('../x', 'x')).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(vault.createSet('new', '')).rejects.toMatchObject({ code: 'InvalidInput' });
  });

  it('has a set from its first job on, whose key is that of the backup that came first', async () => {
    const { location, vault, set } = await newSet();
    const failing = { ...oneDisk(randomBytes(BLOCK)), assertUnchanged: () => Promise.reject(new Error('x')) };
    await expect(set.backup([failing])).rejects.toThrow('x');
    expect(await vault.listSets()).toEqual([]);
    expect(await vault.hasSet('office')).toBe(false);
    const other = await vault.createSet('office', 'another passphrase');
    const { jobId } = await other.backup([oneDisk(randomBytes(BLOCK))]);
    await expect(set.backup([oneDisk(randomBytes(BLOCK))])).rejects.toMatchObject({
      code: 'BackupInProgress',
    });
    await other.backup([oneDisk(randomBytes(BLOCK))]);
    const [first] = await (await vault.unlockSet('office', 'another passphrase')).jobs();
    expect(first?.jobId).toBe(jobId);
    expect(await readdir(join(location, 'sets', 'office', 'blocks'))).toHaveLength(2);
  });

  it('writes no first job under another key than the one that is there by then', async () => {
    const { location, vault, set } = await newSet();
    await (await vault.createSet('home', 'correct horse')).backup([oneDisk(randomBytes(BLOCK))]);
    const keyOf = (name: string): string => join(location, 'sets', name, 'key.json');
    const late = {
      ...oneDisk(randomBytes(BLOCK)),
      assertUnchanged: () => cp(keyOf('home'), keyOf('office')),
    };
    await expect(set.backup([late])).rejects.toMatchObject({ code: 'BackupInProgress' });
    expect(await readdir(join(location, 'sets', 'office', 'jobs')).catch(() => [])).toEqual([]);
  });

  it("takes no other set's key file for its own", async () => {
    const { location, vault, set } = await newSet();
    await set.backup([oneDisk(randomBytes(BLOCK))]);
    await (await vault.createSet('home', 'correct horse')).backup([oneDisk(randomBytes(BLOCK))]);
    await cp(join(location, 'sets', 'home', 'key.json'), join(location, 'sets', 'office', 'key.json'));
    const foreign = {
      code: 'FormatUnsupported',
      message: expect.stringMatching(/^sets\/office\/key.json is not the key file/) as string,
    };
    await expect(vault.unlockSet('office', 'correct horse')).rejects.toMatchObject(foreign);
    expect(await vault.listSets()).toMatchObject([
      { name: 'home', damaged: [] },
      { name: 'office', damaged: [foreign.message], jobs: [{}] },
    ]);
  });

  it('makes no new key for a set that has jobs and lost its key file', async () => {
    const { location, vault, set } = await newSet();
    await set.backup([oneDisk(randomBytes(BLOCK))]);
    const keyFile = join(location, 'sets', 'office', 'key.json');
    await rename(keyFile, join(location, 'kept'));
    const lost = {
      code: 'FormatUnsupported',
      message: expect.stringContaining('sets/office/key.json') as string,
    };
    await expect(vault.createSet('office', 'correct horse')).rejects.toMatchObject(lost);
    await expect(vault.unlockSet('office', 'correct horse')).rejects.toMatchObject(lost);
    const [listed] = await vault.listSets();
    expect(listed).toMatchObject({ name: 'office', damaged: [lost.message], jobs: [{}] });
    await rename(join(location, 'kept'), keyFile);
    expect(await (await vault.unlockSet('office', 'correct horse')).jobs()).toHaveLength(1);
  });

  it('knows a passphrase whichever way its letters were composed', async () => {
    const { vault } = await newVault();
    await (await vault.createSet('s', 'M\u00fcller')).backup([oneDisk(randomBytes(BLOCK))]);
    await expect(vault.unlockSet('s', 'Mu\u0308ller')).resolves.toBeDefined();
  });

  it('lists names and sizes without a passphrase, and no contents', async () => {
    const { vault, set, location } = await newSet();
    const marker = 'payroll of the whole company';
    const files = [{ name: 'ledger.vmx', bytes: Buffer.from(`annotation = "${marker}"`) }];
    const disk = Buffer.alloc(MIB);
    disk.write(marker, 70_000);
    const job = await set.backup([memorySource({ vmName: 'ledger', disks: { 'ledger.vmdk': disk }, files })]);
    const [listed] = await vault.listSets();
    expect(listed).toMatchObject({ name: 'office', damaged: [], jobs: [job] });
    expect(await set.jobs()).toEqual([job]);
    for (const entry of await readdir(location, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      expect((await readFile(join(entry.parentPath, entry.name))).includes(marker)).toBe(false);
    }
    const vm = await set.openVm('latest', 'ledger');
    expect(vm.files).toEqual(files);
    await vm.close();
  });
});

describe('a chain of jobs', () => {
  /** Runs of blocks or odd ranges that are overwritten with noise, text or zeros. */
  const change = fc.record({
    at: fc.nat({ max: 4 * MIB - 1 }),
    length: fc.oneof(fc.integer({ min: 1, max: 3 * BLOCK }), fc.constant(BLOCK)),
    fill: fc.constantFrom('noise', 'text', 'zeros'),
    aligned: fc.boolean(),
  });
  type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

  const apply = (disk: Buffer, { at, length, fill, aligned }: Change) => {
    const from = aligned ? at - (at % BLOCK) : at;
    const part = disk.subarray(from, Math.min(from + length, disk.byteLength));
    if (fill === 'noise') randomBytes(part.byteLength).copy(part);
    else part.fill(fill === 'text' ? 'all work and no play ' : 0);
  };

  it('shows the disk as it was at each job, byte for byte, whatever changed between them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8192 }),
        fc.array(fc.record({ changes: fc.array(change, { maxLength: 6 }), grow: fc.nat({ max: 300 }) }), {
          minLength: 1,
          maxLength: 5,
        }),
        async (sectors, steps) => {
          const { set } = await newSet();
          let disk = Buffer.alloc(sectors * 512);
          const history: { jobId: string; disk: Buffer }[] = [];
          for (const { changes, grow } of steps) {
            disk = Buffer.concat([disk, Buffer.alloc(grow * 512)]);
            for (const one of changes) apply(disk, one);
            const { jobId } = await set.backup([oneDisk(disk)]);
            history.push({ jobId, disk: Buffer.from(disk) });
          }
          for (const { jobId, disk: expected } of history) {
            expect((await contents(set, jobId)).equals(expected)).toBe(true);
            expect(await set.verify(jobId)).toMatchObject({
              passed: true,
              checkedBytes: expected.byteLength,
            });
          }
        },
      ),
      { numRuns: 10 },
    );
  }, 60_000);

  it('answers reads of any range, many at a time, also across leaves and holes', async () => {
    const { set } = await newSet();
    const disk = Buffer.alloc(130 * MIB);
    for (const at of [0, 64 * MIB - 100_000, 129 * MIB + 3]) randomBytes(200_000).copy(disk, at);
    const { jobId } = await set.backup([oneDisk(disk)]);
    const vm = await set.openVm(jobId, 'ledger');
    const image = await vm.openImage('ledger.vmdk');
    const ranges = Array.from({ length: 200 }, (_, i) => {
      const centre = [0, 64 * MIB, 129 * MIB][i % 3] ?? 0;
      return {
        from: Math.max(0, centre + ((i * 7919) % 300_000) - 150_000),
        length: (i * 104_729) % 250_000,
      };
    });
    await Promise.all(
      ranges.map(async ({ from, length }) => {
        const into = Buffer.alloc(length, 0xee);
        await image.read(from, into);
        expect(into.equals(disk.subarray(from, from + length))).toBe(true);
      }),
    );
    await expect(image.read(disk.byteLength - 1, Buffer.alloc(2))).rejects.toMatchObject({
      code: 'InvalidInput',
    });
    await vm.close();
    await expect(image.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: 'DestinationUnavailable' });
  });

  it('stores next to nothing for a disk that did not change', async () => {
    const { set } = await newSet();
    const disk = Buffer.alloc(200 * MIB);
    randomBytes(3 * MIB).copy(disk, 50 * MIB);
    const full = await set.backup([oneDisk(disk)]);
    const delta = await set.backup([oneDisk(disk)]);
    expect(full.kind).toBe('full');
    expect(delta.kind).toBe('delta');
    expect(full.storedBytes).toBeLessThan(4 * MIB);
    expect(delta.storedBytes).toBeLessThan(2048);
    disk[150 * MIB] = 1;
    expect((await set.backup([oneDisk(disk)])).storedBytes).toBeLessThan(4096);
  });

  it('goes on with a disk that grows past what one index page covers', async () => {
    const { set } = await newSet();
    const small = Buffer.alloc(60 * MIB);
    randomBytes(MIB).copy(small, 59 * MIB);
    const first = await set.backup([oneDisk(small)]);
    const large = Buffer.concat([small, Buffer.alloc(70 * MIB)]);
    randomBytes(MIB).copy(large, 129 * MIB);
    const second = await set.backup([oneDisk(large)]);
    expect(second.kind).toBe('delta');
    expect(second.storedBytes).toBeLessThan(1.1 * MIB);
    expect((await contents(set, second.jobId)).equals(large)).toBe(true);
    expect((await contents(set, first.jobId)).equals(small)).toBe(true);
    expect((await set.verify(second.jobId)).passed).toBe(true);
  });

  it('starts a new chain for a new disk, a smaller one, and when asked to', async () => {
    const { set } = await newSet();
    const a = randomBytes(MIB);
    const source = (disks: Record<string, Uint8Array>) => memorySource({ vmName: 'ledger', disks });
    await set.backup([source({ 'ledger.vmdk': a })]);
    const grown = await set.backup([source({ 'ledger.vmdk': a, 'b.vmdk': randomBytes(MIB) })]);
    expect(grown.kind).toBe('delta');
    expect(grown.vms[0]?.disks.map(({ storedBytes }) => storedBytes > MIB)).toEqual([false, true]);
    expect((await set.backup([source({ 'ledger.vmdk': a.subarray(0, MIB / 2) })])).kind).toBe('full');
    expect((await set.backup([source({ 'b.vmdk': a })], { full: true })).kind).toBe('full');
    await expect(
      set.openVm('latest', 'ledger').then((vm) => vm.openImage('ledger.vmdk')),
    ).rejects.toMatchObject({
      code: 'BackupNotFound',
    });
    expect((await contents(set, grown.jobId)).equals(a)).toBe(true);
  });

  it('keeps several VMs, and finds the newest job of each', async () => {
    const { set } = await newSet();
    const vm = (vmName: string, bytes: Buffer) => memorySource({ vmName, disks: { 'disk.vmdk': bytes } });
    const [a, b] = [randomBytes(MIB), randomBytes(MIB)];
    const both = await set.backup([vm('a', a), vm('b', b)]);
    const onlyA = await set.backup([vm('a', a)]);
    expect((await set.openVm('latest', 'b')).jobId).toBe(both.jobId);
    expect((await set.openVm('latest', 'a')).jobId).toBe(onlyA.jobId);
    await expect(set.openVm(onlyA.jobId, 'b')).rejects.toMatchObject({
      code: 'BackupNotFound',
      message: /it has: a/,
    });
    await expect(set.openVm('000009-20260101T000000Z', 'a')).rejects.toMatchObject({
      code: 'BackupNotFound',
    });
    await expect(set.openVm('../key', 'a')).rejects.toMatchObject({ code: 'BackupNotFound' });
    await expect(set.backup([vm('a', a), vm('a', a)])).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(set.backup([])).rejects.toMatchObject({ code: 'InvalidInput' });
  });
});

describe('a backup that fails', () => {
  it.each([
    ['cannot read its source', { read: new Error('bad sector') }],
    ['finds that its source changed', { changed: new Error('changed') }],
  ])('leaves nothing when it %s', async (_, fault) => {
    const { set, location } = await newSet();
    const disk = randomBytes(MIB);
    const first = await set.backup([oneDisk(disk)]);
    const before = (await readdir(location, { recursive: true }))
      .filter((name) => !name.includes('lock'))
      .sort();
    const source = oneDisk(randomBytes(8 * MIB));
    const broken = {
      ...source,
      disks: source.disks.map((one) => ({
        ...one,
        read: async (offset: number, into: Uint8Array) => {
          if ('read' in fault && offset > 4 * MIB) throw fault.read;
          await one.read(offset, into);
        },
      })),
      assertUnchanged: async () => {
        if ('changed' in fault) throw fault.changed;
      },
    };
    await expect(set.backup([broken])).rejects.toBe(Object.values(fault)[0]);
    expect(await set.jobs()).toEqual([first]);
    expect(
      (await readdir(location, { recursive: true })).filter((name) => !name.includes('lock')).sort(),
    ).toEqual(before);
    expect((await set.backup([oneDisk(disk)])).kind).toBe('delta');
  });

  it('is refused before it makes a job that nobody could read', async () => {
    const chain = Array.from({ length: 500 }, (_, at) => ({ fileId: 'f'.repeat(32), sizeBytes: at }));
    const disks = Array.from({ length: 20 }, (_, at) => ({ name: `${at}.vmdk`, sizeBytes: 512, chain }));
    const vms = Array.from({ length: 80 }, (_, at) => ({ name: `vm${at}`, disks }));
    const content = { setId: 's', jobId: 'j', sequence: 1, createdAt: '', vms };
    expect(() => encodeManifest(content, [], randomBytes(32))).toThrow(/at most 33554432.*full backup/);
  });

  it('stops when it is told to, and gives the set free', async () => {
    const { set } = await newSet();
    const stop = new AbortController();
    const backup = set.backup([oneDisk(randomBytes(8 * MIB))], {
      signal: stop.signal,
      onProgress: ({ doneBytes }) => {
        if (doneBytes >= 2 * MIB) stop.abort(new Error('told to'));
      },
    });
    await expect(backup).rejects.toThrow('told to');
    expect(await set.jobs()).toEqual([]);
    await set.backup([oneDisk(randomBytes(MIB))]);
  });

  it('is refused while another runs', async () => {
    const { set, vault } = await newSet();
    const source = oneDisk(randomBytes(4 * MIB));
    await set.backup([source]);
    let second: Promise<unknown> | undefined;
    await set.backup([source], {
      onProgress: () => {
        second ??= vault.openSetWithKey('office', set.key).then(async (other) => other.backup([source]));
        second.catch(() => undefined);
      },
    });
    await expect(second).rejects.toMatchObject({ code: 'BackupInProgress', message: /process/ });
  });

  it('reports believable progress', async () => {
    const { set } = await newSet();
    const seen: number[] = [];
    const job = await set.backup([oneDisk(randomBytes(3 * MIB + 512))], {
      onProgress: ({ doneBytes, totalBytes, phase }) => {
        expect(totalBytes).toBe(3 * MIB + 512);
        if (phase === 'reading') seen.push(doneBytes);
      },
    });
    expect(seen).toEqual([MIB, 2 * MIB, 3 * MIB, 3 * MIB + 512]);
    expect(job.storedBytes).toBeGreaterThan(3 * MIB);
  });
});

describe('a vault that was moved or lost', () => {
  it('goes on elsewhere, and says so when it is gone', async () => {
    const { set, location, vault } = await newSet();
    const disk = randomBytes(MIB);
    const { jobId } = await set.backup([oneDisk(disk)]);
    await cp(location, `${location}-copy`, { recursive: true });
    const copy = await (await openVault(`${location}-copy`)).openSetWithKey('office', set.key);
    expect((await contents(copy, jobId)).equals(disk)).toBe(true);
    await rename(location, `${location}-away`);
    expect(await vault.listSets()).toEqual([]);
    await expect(openVault(location)).rejects.toMatchObject({ code: 'VaultNotFound' });
  });
});

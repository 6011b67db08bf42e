import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVmFolder } from './open-vm-folder.ts';
import type { VmFolder } from './types.ts';
import { parseDescriptor, publishedDescriptor } from './vmdk-descriptor.ts';

const MIB = 1024 * 1024;
let root: string;
let folder: string;
let opened: VmFolder[];
let children: ChildProcess[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vm-folder-'));
  folder = join(root, 'ds1', 'ledger');
  await mkdir(folder, { recursive: true });
  opened = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) {
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended;
    }
  }
  for (const one of opened) await one.close();
  await rm(root, { recursive: true });
});

async function makeDisk(path: string, bytes: Buffer): Promise<void> {
  const options = ['create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat'];
  execFileSync('qemu-img', [...options, path, String(bytes.byteLength)]);
  await writeFile(path.replace(/\.vmdk$/, '-flat.vmdk'), bytes);
}

async function makeVm(...extraLines: string[]): Promise<Buffer> {
  const bytes = randomBytes(2 * MIB);
  await makeDisk(join(folder, 'ledger.vmdk'), bytes);
  const lines = ['displayName = "ledger"', 'scsi0:0.present = "TRUE"', 'scsi0:0.fileName = "ledger.vmdk"'];
  await writeFile(join(folder, 'ledger.vmx'), [...lines, ...extraLines, ''].join('\n'));
  return bytes;
}

async function openIt(options?: Parameters<typeof openVmFolder>[1]): Promise<VmFolder> {
  const vm = await openVmFolder(folder, options);
  opened.push(vm);
  return vm;
}

async function readAll(vm: VmFolder, disk: number): Promise<Buffer> {
  const into = Buffer.alloc(vm.disks[disk]!.sizeBytes);
  await vm.disks[disk]!.read(0, into);
  return into;
}

describe('opening a VM folder', () => {
  it('gives name, disks and files, byte for byte', async () => {
    const bytes = await makeVm('nvram = "ledger.nvram"');
    await writeFile(join(folder, 'ledger.nvram'), 'firmware');
    const vm = await openIt();
    expect(vm.vmName).toBe('ledger');
    expect(vm.vmxName).toBe('ledger.vmx');
    expect(vm.files.map(({ name }) => name)).toEqual(['ledger.vmx', 'ledger.nvram', 'ledger.vmdk']);
    expect(await readAll(vm, 0)).toEqual(bytes);
    const part = Buffer.alloc(1000);
    await vm.disks[0]!.read(777, part);
    expect(part).toEqual(bytes.subarray(777, 1777));
    await vm.assertUnchanged();
  });

  it.each(['[ds 2] data/ledger.vmdk', '/vmfs/volumes/ds 2/data/ledger.vmdk'])(
    'finds a disk on another datastore: %s',
    async (fileName) => {
      await makeVm('scsi0:1.present = "TRUE"', `scsi0:1.fileName = "${fileName}"`);
      await mkdir(join(root, 'ds 2', 'data'), { recursive: true });
      const data = randomBytes(MIB);
      await makeDisk(join(root, 'ds 2', 'data', 'ledger.vmdk'), data);
      const vm = await openIt();
      expect(vm.disks.map(({ name }) => name)).toEqual(['ledger.vmdk', 'ledger-2.vmdk']);
      expect(await readAll(vm, 1)).toEqual(data);
      const given = await openIt({ datastores: { 'ds 2': join(root, 'ds 2') } });
      expect(given.disks[1]!.sizeBytes).toBe(MIB);
      await expect(openIt({ datastores: { 'ds 2': join(root, 'none') } })).rejects.toMatchObject({
        code: 'SourceInvalid',
        message: expect.stringContaining(join(root, 'none', 'data', 'ledger.vmdk')) as string,
      });
    },
  );

  it('reads disks of several extents, holes among them', async () => {
    await makeVm();
    const one = randomBytes(MIB);
    await writeFile(join(folder, 'ledger-f001.vmdk'), Buffer.concat([Buffer.alloc(512), one]));
    await writeFile(
      join(folder, 'ledger.vmdk'),
      '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n\nRW 8 ZERO\nRW 2048 FLAT "ledger-f001.vmdk" 1\nRW 4096 FLAT "ledger-flat.vmdk" 0\n',
    );
    const vm = await openIt();
    const all = await readAll(vm, 0);
    expect(all.byteLength).toBe(3 * MIB + 4096);
    expect(all.subarray(0, 4096)).toEqual(Buffer.alloc(4096));
    expect(all.subarray(4096, 4096 + MIB)).toEqual(one);
  });

  it('takes brackets in a name for a part of it', async () => {
    await makeVm(
      'nvram = "[test] ledger.nvram"',
      'scsi0:1.present = "TRUE"',
      'scsi0:1.fileName = "[test] data.vmdk"',
    );
    await writeFile(join(folder, '[test] ledger.nvram'), 'firmware');
    const data = randomBytes(MIB);
    await makeDisk(join(folder, '[test] data.vmdk'), data);
    const vm = await openIt();
    expect(vm.disks.map(({ name }) => name)).toEqual(['ledger.vmdk', '[test] data.vmdk']);
    expect(vm.files.map(({ name }) => name)).toContain('[test] ledger.nvram');
    expect(await readAll(vm, 1)).toEqual(data);
  });

  it('takes no encrypted VM, whose .vmx may show no disk at all', async () => {
    const lines = [
      'displayName = "ledger"',
      'encryption.keySafe = "vmware:key/list/x"',
      'encryption.data = "x"',
    ];
    await writeFile(join(folder, 'ledger.vmx'), lines.join('\n'));
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /encrypted.*Decrypt it/ });
  });

  it('tells of a VM without a disk', async () => {
    await writeFile(join(folder, 'ledger.vmx'), 'displayName = "ledger"\n');
    const vm = await openIt();
    expect(vm.disks).toEqual([]);
    expect(vm.findings).toMatchObject([{ code: 'NoDisk' }]);
  });

  it('says which file is not there, a link, or not to be read', async () => {
    const path = join(folder, 'ledger.vmdk');
    const flat = join(folder, 'ledger-flat.vmdk');
    await makeVm();
    await rename(flat, `${flat}.real`);
    await expect(openIt()).rejects.toThrow(`${flat} can't be read: there is nothing of that name.`);
    await symlink(`${flat}.real`, flat);
    await expect(openIt()).rejects.toThrow(`${flat} can't be read: it is a symbolic link`);
    await rm(flat);
    await mkdir(flat);
    await expect(openIt()).rejects.toThrow(`${flat} is not a regular file`);
    await rm(path);
    await expect(openIt()).rejects.toThrow(`${path} can't be read: there is nothing of that name.`);
    await expect(openVmFolder(join(root, 'none'))).rejects.toMatchObject({ code: 'SourceInvalid' });
  });

  it('waits for no pipe', async () => {
    await makeVm();
    await rm(join(folder, 'ledger-flat.vmdk'));
    execFileSync('mkfifo', [join(folder, 'ledger-flat.vmdk')]);
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /not a regular file/ });
    execFileSync('mkfifo', [join(folder, 'other.vmx')]);
    await rm(join(folder, 'ledger.vmx'));
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /not a regular file/ });
  });

  it('says what can not be backed up', async () => {
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /no .vmx file/ });
    await makeVm('scsi0:1.present = "TRUE"', 'scsi0:1.fileName = "[nowhere] x/y.vmdk"');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /nowhere/ });
  });

  it('leaves out no hard disk, whatever its file is called', async () => {
    const disk = (fileName: string) =>
      makeVm(
        'scsi0:1.present = "TRUE"',
        'scsi0:1.deviceType = "scsi-hardDisk"',
        `scsi0:1.fileName = "${fileName}"`,
      );
    await disk('/etc/hostname');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /etc.hostname/ });
    await disk('data.disk');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /data.disk/ });
  });

  it.each(['/etc/passwd.vmdk', '../../secret.vmdk', '[ds1] ../../secret.vmdk'])(
    'does not follow the path %s',
    async (fileName) => {
      await makeVm('scsi0:1.present = "TRUE"', `scsi0:1.fileName = "${fileName}"`);
      await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid' });
    },
  );

  it('reads no extent that is a path, a device or a link', async () => {
    await makeVm();
    const descriptor = (extent: string) =>
      writeFile(
        join(folder, 'ledger.vmdk'),
        `# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="vmfs"\nRW 1 FLAT "${extent}" 0\n`,
      );
    await descriptor('/etc/hostname');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /not a file beside it/ });
    await descriptor('linked-flat.vmdk');
    await symlink('/etc/hostname', join(folder, 'linked-flat.vmdk'));
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid' });
  });

  it('reads descriptors in any spelling, and none with a part that it does not understand', async () => {
    const bytes = await makeVm();
    const path = join(folder, 'ledger.vmdk');
    const text = (...extents: string[]) =>
      writeFile(
        path,
        [
          '# Disk DescriptorFile',
          'Version = 1',
          'cid=FFFFFFFE',
          'PARENTCID = FFFFFFFF',
          'CreateType = "vmfs"',
          ...extents,
          'ddb.thinProvisioned = "1"',
          '',
        ].join('\r\n'),
      );
    await text('rw  4096\tvmfs  "ledger-flat.vmdk"  ');
    expect(await readAll(await openIt(), 0)).toEqual(bytes);
    await text('RW 63 VMFS "ledger-flat.vmdk" 0', 'RW 1024 FLAT "\\\\.\\PhysicalDrive0" 63 partitionUUID x');
    await expect(openIt()).rejects.toMatchObject({
      code: 'SourceInvalid',
      message: /an extent that can't be read: RW 1024 FLAT/,
    });
  });

  it('refuses sparse disks, snapshots, raw device mappings and short files', async () => {
    await makeVm();
    const path = join(folder, 'ledger.vmdk');
    const text = (line: string) =>
      writeFile(path, `# Disk DescriptorFile\nCID=1\n${line}\nRW 4096 VMFS "ledger-flat.vmdk"\n`);
    await text('parentCID=0000abcd\ncreateType="vmfs"');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /snapshot/ });
    await text('parentCID=ffffffff\ncreateType="vmfsPassthroughRawDeviceMap"');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /raw device mapping/ });
    await text('parentCID=ffffffff\ncreateType="vmfs"');
    await truncate(join(folder, 'ledger-flat.vmdk'), MIB);
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /1048576 bytes/ });
    execFileSync('qemu-img', ['create', '-q', '-f', 'vmdk', path, '4M']);
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInvalid', message: /sparse/ });
  });
});

describe('a VM that is in use', () => {
  it.each(['.lck-3a01000000000000', 'ledger.vmx.lck', 'ledger-5f2d.vswp'])(
    'is refused for %s',
    async (name) => {
      await makeVm();
      await writeFile(join(folder, name), '');
      await expect(openIt()).rejects.toMatchObject({
        code: 'SourceInUse',
        message: expect.stringContaining(name) as string,
      });
    },
  );

  it('is refused while it is suspended', async () => {
    await makeVm('checkpoint.vmState = "ledger.vmss"');
    await openIt();
    await writeFile(join(folder, 'ledger.vmss'), '');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInUse', message: /suspended/ });
    await rm(join(folder, 'ledger.vmss'));
    await makeVm('checkpoint.vmState = "/vmfs/volumes/fast/states/ledger.vmss"');
    await expect(openIt()).rejects.toMatchObject({ code: 'SourceInUse', message: /suspended/ });
  });

  it('is refused while QEMU has its disk open, and taken once QEMU is gone', async () => {
    await makeVm();
    const flat = join(folder, 'ledger-flat.vmdk');
    const held = spawn('qemu-io', ['-f', 'raw', flat], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(held);
    held.stdin.write('read 0 512\n');
    for await (const chunk of held.stdout) if (String(chunk).includes('read 512/512')) break;
    await expect(openIt()).rejects.toMatchObject({
      code: 'SourceInUse',
      message: expect.stringContaining(flat) as string,
    });
    held.kill('SIGKILL');
    await once(held, 'exit');
    await openIt();
  });
});

describe('a VM that changes while it is read', () => {
  const changes: [string, (flat: string) => Promise<unknown>][] = [
    ['is written to', async (flat) => appendFile(flat, 'x')],
    ['has its times set', async (flat) => utimes(flat, 1, 1)],
    [
      'is replaced',
      async (flat) => rename(flat, `${flat}.old`).then(async () => writeFile(flat, Buffer.alloc(2 * MIB))),
    ],
    ['goes away', async (flat) => rm(flat)],
    [
      'is written in place',
      async (flat) => {
        const file = await open(flat, 'r+');
        await file.write(Buffer.from('changed'), 0, 7, 4096);
        await file.close();
      },
    ],
  ];
  it.each(changes)('is noticed when its disk %s', async (_, change) => {
    await makeVm();
    const vm = await openIt();
    await change(join(folder, 'ledger-flat.vmdk'));
    await expect(vm.assertUnchanged()).rejects.toMatchObject({ code: 'SourceChanged' });
  });

  it('is noticed when it is started', async () => {
    await makeVm();
    const vm = await openIt();
    await writeFile(join(folder, 'ledger.vmx.lck'), '');
    await expect(vm.assertUnchanged()).rejects.toMatchObject({ code: 'SourceInUse' });
  });
});

describe('the published descriptor', () => {
  it('names no file of tracked changes, which is not in the backup', () => {
    const lines = [
      '# Disk DescriptorFile',
      'version=3',
      'encoding="UTF-8"',
      'CID=123456fe',
      'parentCID=ffffffff',
      'createType="vmfs"',
      '',
      '# Extent description',
      'RW 4096 VMFS "web-flat.vmdk"',
      '',
      '# Change Tracking File',
      'changeTrackPath="web-ctk.vmdk"',
      '',
      'ddb.virtualHWVersion = "13"',
    ];
    const descriptor = parseDescriptor(Buffer.from(lines.join('\n')), 'web.vmdk');
    const published = publishedDescriptor(descriptor, 'web-flat.vmdk').split('\n');
    expect(published).toEqual([lines[0], 'version=1', ...lines.slice(2, 10), ...lines.slice(12)]);
    const untracked = parseDescriptor(
      Buffer.from(lines.filter((line) => !/track/i.test(line)).join('\n')),
      'web.vmdk',
    );
    expect(publishedDescriptor(untracked, 'web-flat.vmdk')).toContain('version=3\n');
  });

  it('is a disk that qemu-img reads as equal to the original', async () => {
    const bytes = await makeVm();
    const vm = await openIt();
    const descriptor = parseDescriptor(
      vm.files.find(({ name }) => name === 'ledger.vmdk')!.bytes,
      'ledger.vmdk',
    );
    const out = join(root, 'out');
    await mkdir(out);
    await writeFile(join(out, 'x.vmdk'), publishedDescriptor(descriptor, 'x-flat.vmdk'));
    await writeFile(join(out, 'x-flat.vmdk'), bytes);
    const info = JSON.parse(
      execFileSync('qemu-img', ['info', '--output=json', join(out, 'x.vmdk')], { encoding: 'utf8' }),
    ) as Record<string, unknown>;
    expect(info['virtual-size']).toBe(2 * MIB);
    expect(JSON.stringify(info['format-specific'])).toContain('"create-type":"vmfs"');
    execFileSync('qemu-img', ['compare', join(out, 'x.vmdk'), join(folder, 'ledger.vmdk')]);
    const again = parseDescriptor(Buffer.from(publishedDescriptor(descriptor, 'x-flat.vmdk')), 'x.vmdk');
    expect(again.cid).toBe(descriptor.cid);
    expect(again.extents).toEqual([
      { access: 'RW', sectors: 4096, type: 'VMFS', fileName: 'x-flat.vmdk', offsetSectors: 0 },
    ]);
  });
});

// The committed bytes are what the source says, as GNU's assembler reads it.
import { execFile } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { bootSector, counterSector, readCounters } from './boot-sector.ts';

const run = promisify(execFile);
const hasAssembler = await Promise.all(['/usr/bin/as', '/usr/bin/objcopy'].map((file) => access(file))).then(
  () => process.arch === 'x64',
  () => false,
);

it.runIf(hasAssembler)('is what its source assembles to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rd-boot-'));
  try {
    const [object, binary] = [join(folder, 'boot.o'), join(folder, 'boot.bin')];
    await run('as', ['--32', join(import.meta.dirname, 'boot-sector.s'), '-o', object]);
    await run('objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    expect(bootSector().equals(await readFile(binary))).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('counts from nothing, and reads no counters from another disk', () => {
  const disk = Buffer.concat([bootSector(), counterSector()]);
  expect(readCounters(disk)).toEqual({ boots: 0, seconds: 0 });
  disk.writeUInt32LE(2, 520);
  disk.writeUInt32LE(70_000, 524);
  expect(readCounters(disk)).toEqual({ boots: 2, seconds: 70_000 });
  expect(readCounters(Buffer.alloc(1024))).toBeUndefined();
  expect(readCounters(Buffer.alloc(3))).toBeUndefined();
});

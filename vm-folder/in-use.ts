// Whether somebody uses a VM's files: lock files that hosts, Workstation and QEMU leave beside them, the swap
// file of a running VM, and locks that a process of this machine holds. The latter are read from /proc/locks
// (proc(5)), which also lists open-file-description locks, as QEMU takes them; where there is none (not Linux),
// lock files have to do.
//
// A lock file of a host that died looks like one of a host that lives. It is refused all the same: it can be
// removed by a person who knows, and a running VM that is taken for a dead one can't be made whole again.
import type { BigIntStats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from './unreadable.ts';
import { VmFolderError } from './vm-folder-error.ts';

const LOCK_FILE = /^\.lck-|\.lck$/;
const SWAP_FILE = /\.vswp$/;
/** `1: OFDLCK ADVISORY  READ -1 08:01:1234 100 100`: kind, mode, type, process, device and inode, range. */
const HELD = /^\d+:\s+(?:->\s+)?(\S+)\s+\S+\s+\S+\s+(-?\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)\s/i;

/** Throws VmFolderError SourceInUse when the folder holds the signs of a VM that runs. */
export async function refuseLockFiles(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (LOCK_FILE.test(name)) {
      throw new VmFolderError(
        'SourceInUse',
        `${join(folder, name)} is a lock: the VM is in use. Power it off. If its host is gone for good, remove the lock.`,
      );
    }
    if (SWAP_FILE.test(name)) {
      throw new VmFolderError(
        'SourceInUse',
        `${join(folder, name)} is the swap file of a running VM. Power the VM off. If its host is gone for good, remove the file.`,
      );
    }
  }
}

/** A file by what /proc/locks knows of it. */
export interface LockableFile {
  readonly path: string;
  readonly stat: BigIntStats;
}

/** Throws VmFolderError SourceInUse when a process of this machine holds a lock on one of the files. */
export async function refuseHeldLocks(files: readonly LockableFile[]): Promise<void> {
  for (const line of (await readLocks()).split('\n')) {
    const [, kind, pid, major, minor, inode] = HELD.exec(line) ?? [];
    if (major === undefined || minor === undefined || inode === undefined) continue;
    const device = { major: BigInt(`0x${major}`), minor: BigInt(`0x${minor}`) };
    const file = files.find(({ stat }) => stat.ino === BigInt(inode) && sameDevice(stat.dev, device));
    if (file === undefined) continue;
    const holder = pid === '-1' || pid === undefined ? 'a process' : `process ${pid}`;
    throw new VmFolderError(
      'SourceInUse',
      `${file.path} is locked by ${holder} of this machine (${kind ?? 'lock'}): the VM runs, or a program uses its disk. Power it off.`,
    );
  }
}

async function readLocks(): Promise<string> {
  try {
    return await readFile('/proc/locks', 'utf8');
  } catch {
    return '';
  }
}

/**
 * stat(2) and /proc/locks may name different anonymous devices (major 0) for one file of an overlay or of btrfs:
 * then the inode decides. The bits of st_dev are those of glibc's gnu_dev_major and gnu_dev_minor.
 */
function sameDevice(dev: bigint, lock: { major: bigint; minor: bigint }): boolean {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  if (major === 0n || lock.major === 0n) return true;
  return major === lock.major && minor === lock.minor;
}

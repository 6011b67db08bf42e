// What the machine itself has to bring: Go for the lab, and Debian packages for guests, disks and foreign
// NFS clients. A package is known by what it brings, so that another distribution's copy is as good.
import { access, constants, readFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand, SetupError, type Step } from './step.ts';

interface Requirement {
  readonly package: string;
  /** A command on the PATH, or a file by its absolute path; or a command line that ends with 0. */
  readonly proof: string | readonly [string, ...string[]];
}

/** QEMU runs guests; mtools, fdisk, syslinux, busybox and cpio build their disk; the rest are foreign peers in tests. */
const requirements: readonly Requirement[] = [
  { package: 'qemu-system-x86', proof: 'qemu-system-x86_64' },
  { package: 'qemu-utils', proof: 'qemu-img' },
  { package: 'seabios', proof: '/usr/share/seabios/bios-256k.bin' },
  { package: 'fuse3', proof: 'fusermount3' },
  { package: 'mtools', proof: 'mformat' },
  { package: 'fdisk', proof: 'sfdisk' },
  { package: 'syslinux', proof: 'syslinux' },
  { package: 'syslinux-common', proof: '/usr/lib/syslinux/mbr/mbr.bin' },
  { package: 'busybox-static', proof: 'busybox' },
  { package: 'cpio', proof: 'cpio' },
  { package: 'libnfs-utils', proof: 'nfs-cat' },
  { package: 'libxml2-utils', proof: 'xmllint' },
  { package: 'openssl', proof: 'openssl' },
  { package: 'python3', proof: 'python3' },
  { package: 'python3-pip', proof: ['python3', '-c', 'import pip'] },
];

const labModule = path.join(path.dirname(import.meta.dirname), 'lab', 'go.mod');
const UPDATE = ['apt-get', 'update', '-qq'];
const PROOF_LIMIT_MS = 30_000;
const APT_LIMIT_MS = 15 * 60_000;
/** Debian keeps some of what we need where only root's PATH looks. */
const searchPath = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];

export const packagesStep: Step = {
  name: 'system packages',
  run: async (note) => {
    const missing = await findMissing();
    if (missing.length === 0) return { cached: true, detail: `${requirements.length} there` };
    const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
    const prefix = await rootPrefix();
    if (prefix === undefined || !(await isThere('apt-get')))
      throw new SetupError(
        `These are missing: ${missing.join(', ')}. On Debian or Ubuntu, as root:\n` +
          `    apt-get update && ${install.join(' ')}`,
      );
    note(`installing ${missing.join(', ')}`);
    await apt(prefix, UPDATE);
    await apt(prefix, install);
    const still = await findMissing();
    if (still.length > 0)
      throw new SetupError(`apt-get installed ${still.join(', ')}, but what they bring is not found.`);
    return { cached: false, detail: missing.join(', ') };
  },
};

export const fuseStep: Step = {
  name: 'FUSE',
  run: async () => {
    try {
      await access('/dev/fuse', constants.R_OK | constants.W_OK);
    } catch (error) {
      throw new SetupError(
        "The lab's hosts mount datastores through FUSE, and /dev/fuse can't be opened. Load it with `modprobe fuse`; " +
          'a container needs `--device /dev/fuse --cap-add SYS_ADMIN`.',
        { cause: error },
      );
    }
    return { cached: true, detail: '/dev/fuse' };
  },
};

export const goStep: Step = {
  name: 'Go',
  run: async () => {
    const needed = /^go (\d+\.\d+)/m.exec(await readFile(labModule, 'utf8'))?.[1] ?? '';
    const { code, output } = await runCommand('go', ['env', 'GOVERSION'], { timeoutMs: 30_000 });
    const found = code === 0 ? output.trim().replace(/^go/, '') : undefined;
    if (found === undefined || !isAtLeast(found, needed))
      throw new SetupError(
        `The lab is built with Go ${needed} or newer; ` +
          (found === undefined ? 'there is no `go` on the PATH.' : `the one on the PATH is ${found}.`) +
          ' https://go.dev/doc/install says how to get it.',
      );
    return { cached: true, detail: found };
  },
};

/** Compares `MAJOR.MINOR…`: 1.26.8 is at least 1.26. */
export function isAtLeast(version: string, needed: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [neededMajor = 0, neededMinor = 0] = needed.split('.').map((part) => Number.parseInt(part, 10));
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}

/** False when that is not ours to do. Throws SetupError. */
export async function refreshPackageLists(): Promise<boolean> {
  const prefix = await rootPrefix();
  if (prefix === undefined) return false;
  await apt(prefix, UPDATE);
  return true;
}

async function findMissing(): Promise<string[]> {
  const there = await Promise.all(requirements.map(({ proof }) => isThere(proof)));
  return requirements.filter((_, index) => there[index] === false).map((requirement) => requirement.package);
}

async function isThere(proof: Requirement['proof']): Promise<boolean> {
  if (typeof proof !== 'string') {
    const [command, ...args] = proof;
    return (await runCommand(command, args, { timeoutMs: PROOF_LIMIT_MS })).code === 0;
  }
  const candidates = path.isAbsolute(proof) ? [proof] : searchPath.map((folder) => path.join(folder, proof));
  const mode = path.isAbsolute(proof) ? constants.R_OK : constants.X_OK;
  for (const candidate of candidates)
    if (
      await access(candidate, mode).then(
        () => true,
        () => false,
      )
    )
      return true;
  return false;
}

/** What to put before a command to run it as root: nothing, or a sudo that asks nothing. */
async function rootPrefix(): Promise<string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  const sudo = await runCommand('sudo', ['-n', 'true'], { timeoutMs: 10_000 });
  return sudo.code === 0 ? ['sudo', '-n'] : undefined;
}

async function apt(prefix: readonly string[], words: readonly string[]): Promise<void> {
  // `env` carries the setting through sudo, which clears the environment.
  const [command, ...args] = [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    ...words,
    '-oDPkg::Lock::Timeout=300',
    '-oAcquire::http::Timeout=10',
    '-oAcquire::https::Timeout=10',
    '-oAcquire::Retries=1',
  ];
  const done = await runCommand(command, args, { timeoutMs: APT_LIMIT_MS });
  if (done.code !== 0)
    throw new SetupError(`\`${words.join(' ')}\` failed:\n${done.output.trim().slice(-2000)}`);
}

// The lab's door for tests, demo and command line: vSphere without ESXi, as a process of its own. See lab/README.md for
// what it plays and what not.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { ensureGuestDisk, ensureLabBinary, type Progress } from './build.ts';
import { type Ask, controlOf } from './control-client.ts';
import { LabError } from './error.ts';
import {
  type FaultRule,
  faultRuleSchema,
  type LabDatastore,
  type LabInfo,
  type LabVm,
  labDatastoreSchema,
  labInfoSchema,
  labVmSchema,
  type MethodCall,
  methodCallSchema,
  type NewFault,
  type NewLabVm,
} from './types.ts';

export { LabError } from './error.ts';
export type { FaultRule, LabDatastore, LabInfo, LabVm, MethodCall, NewFault, NewLabVm };

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const GUEST_LIMIT_MS = 30_000;
const READY_LIMIT_MS = 120_000;
const RELOCATE_LIMIT_MS = 10 * 60_000;
/** The control socket gets a little longer than what it is asked to wait for. */
const GRACE_MS = 5000;

export interface LabOptions {
  readonly model: 'esx' | 'vcenter';
  /** Where the hosts look for NFS servers; CreateNasDatastore has no field for ports. Default 2049 and 20048. */
  readonly nfsPort?: number;
  readonly mountPort?: number;
  /** Port of the API on 127.0.0.1; default: any free one. */
  readonly port?: number;
  /** The work folder. Default: a temporary one that `close` removes. */
  readonly directory?: string;
  readonly accelerator?: 'tcg' | 'kvm';
  readonly progress?: Progress;
}

export interface Guest {
  /**
   * Sends one command (see lab/guest/init) and returns its one-line answer: `PONG x`, `OK 3`, `DATA base64`, …
   * @throws LabError Refused when the guest does not run or does not answer in time (default 30 s).
   */
  command(text: string, options?: { readonly timeoutMs?: number }): Promise<string>;
  /** Waits until the operating system runs; returns how often this disk was booted. Default limit: 2 minutes. */
  ready(options?: { readonly timeoutMs?: number }): Promise<number>;
  /** Numbers of the LOG lines that the guest has acknowledged since it was powered on. */
  logged(): Promise<number[]>;
}

export interface Production {
  readonly name: string;
  /** The directory of this machine. */
  readonly path: string;
}

export interface Lab extends LabInfo, AsyncDisposable {
  readonly password: string;
  /** The production datastores that are VMFS, on local disk. */
  readonly datastores: readonly Production[];
  /** Those that are vSANs: their directories are namespaces, called by UUIDs, and disks are in none of them. */
  readonly vsans: readonly Production[];
  vms(): Promise<LabVm[]>;
  createVm(spec: NewLabVm): Promise<LabVm>;
  /** As a person at the vSphere Client; returns when it is done. */
  power(vm: string, to: 'on' | 'off' | 'suspend'): Promise<LabVm>;
  /** Powers it off if it runs, takes it out of the inventory and deletes its files. */
  destroyVm(vm: string): Promise<void>;
  /** Moves a VM that is powered off to the other production datastore, as somebody would by hand. */
  moveVm(name: string, datastore: string): Promise<LabVm>;
  /**
   * RelocateVM_Task as a person at the vSphere Client would ask for it: all of a VM, running or not, goes to a
   * datastore, and to another host if one is named (name or moref). Returns when it is done. A vCenter's.
   */
  relocateVm(vm: string, datastore: string, host?: string): Promise<LabVm>;
  /** By name or by moref. */
  guest(name: string): Guest;
  /** The NFS datastores that hosts have mounted, one entry per host. */
  mounts(): Promise<LabDatastore[]>;
  addFault(fault: NewFault): Promise<FaultRule>;
  faults(): Promise<FaultRule[]>;
  clearFaults(): Promise<void>;
  /** `free` answers every write with RestrictedVersion. */
  setLicence(licence: 'free' | 'full'): Promise<void>;
  /** All hosts unless one is named. */
  setMaintenance(on: boolean, host?: string): Promise<void>;
  /**
   * False: a VM that runs can't be relocated (StorageVMotionNotSupported), and the hosts' capabilities say so. The
   * hosts of a vCenter begin with true; a host alone can't relocate at all.
   */
  setVMotion(allowed: boolean): Promise<void>;
  /** How fast relocations, copies and merges that start from now on move data; 0 for no limit, as at the start. */
  setStorageRate(bytesPerSecond: number): Promise<void>;
  /** Lets a datastore have no more than so many free bytes; undefined lifts the limit. */
  setFreeSpace(datastore: string, freeBytes: number | undefined): Promise<void>;
  /** Ends every session: the next call of each gets NotAuthenticated. */
  endSessions(): Promise<void>;
  /** The SOAP calls after a sequence number, in the order in which they arrived. */
  methodLog(after?: number): Promise<MethodCall[]>;
  /** Ends the lab with its guests and mounts; a temporary folder is removed. */
  close(): Promise<void>;
}

/** The command line that runs a lab in the foreground: its first line of output is a LabInfo as JSON, SIGTERM ends it. */
export async function labCommand(options: LabOptions & { readonly directory: string }): Promise<string[]> {
  const binary = await ensureLabBinary(options.progress);
  const disk = await ensureGuestDisk(options.progress);
  return [
    ...[binary, 'serve', '--directory', options.directory, '--model', options.model, '--guest-disk', disk],
    ...['--port', String(options.port ?? 0)],
    ...['--nfs-port', String(options.nfsPort ?? 2049), '--mount-port', String(options.mountPort ?? 20048)],
    ...(options.accelerator === undefined ? [] : ['--accelerator', options.accelerator]),
  ];
}

/**
 * Starts a lab that ends with `close`, and with this process.
 * @throws LabError BuildFailed, or NotRunning with what the lab said.
 */
export async function startLab(options: LabOptions): Promise<Lab> {
  const temporary = options.directory === undefined;
  const directory = options.directory ?? (await mkdtemp(path.join(tmpdir(), 'lab-')));
  const removeFolder = async (): Promise<void> => {
    if (temporary) await rm(directory, { recursive: true, force: true });
  };
  try {
    const [program = '', ...args] = await labCommand({ ...options, directory });
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const endWithUs = (): void => {
      child.kill('SIGTERM');
    };
    process.once('exit', endWithUs);
    await firstLine(child);
    return await attachLab(directory, async () => {
      process.off('exit', endWithUs);
      await ended(child);
      await removeFolder();
    });
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

/**
 * Starts a lab that outlives this process; what it says goes to `lab.log` in its folder. End it with its pid.
 * @throws LabError BuildFailed, or NotRunning with what the lab said.
 */
export async function startDetachedLab(options: LabOptions & { readonly directory: string }): Promise<Lab> {
  const [program = '', ...args] = await labCommand(options);
  const log = await open(path.join(options.directory, 'lab.log'), 'a', 0o600);
  try {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', log.fd], detached: true });
    await firstLine(child);
    child.stdout?.destroy();
    child.unref();
  } finally {
    await log.close();
  }
  return attachLab(options.directory);
}

/**
 * Attaches to a lab that runs in a folder. Its `close` ends that lab unless another end is given.
 * @throws LabError NotRunning.
 */
export async function attachLab(directory: string, end?: () => Promise<void>): Promise<Lab> {
  const ask = controlOf(directory);
  const info = labInfoSchema.parse(await ask('GET', '/info'));
  const secret: unknown = JSON.parse(await readFile(path.join(directory, 'credentials.json'), 'utf8'));
  const { password } = z.object({ password: z.string() }).parse(secret);
  const datastores = await datastoresOf(ask);
  const close = end ?? (() => endProcess(info.pid));
  return {
    ...info,
    password,
    datastores: productionOf(datastores, 'VMFS'),
    vsans: productionOf(datastores, 'vsan'),
    vms: async () => z.array(labVmSchema).parse(await ask('GET', '/vms')),
    createVm: async (spec) => labVmSchema.parse(await ask('POST', '/vms', spec)),
    power: async (vm, to) => labVmSchema.parse(await ask('POST', '/power', { vm, to })),
    destroyVm: async (vm) => {
      await ask('POST', '/destroy', { vm });
    },
    moveVm: async (vm, datastore) => labVmSchema.parse(await ask('POST', '/move', { vm, datastore })),
    relocateVm: async (vm, datastore, host = '') =>
      labVmSchema.parse(await ask('POST', '/relocate', { vm, datastore, host }, RELOCATE_LIMIT_MS)),
    guest: (name) => guestOf(ask, name),
    mounts: async () => (await datastoresOf(ask)).filter(({ type }) => type === 'NFS'),
    ...mishaps(ask),
    methodLog: async (after = 0) =>
      z.array(methodCallSchema).parse(await ask('GET', `/methods?after=${after}`)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const productionOf = (datastores: readonly LabDatastore[], wanted: LabDatastore['type']): Production[] =>
  datastores.filter(({ type }) => type === wanted).map(({ name, path: at }) => ({ name, path: at }));

const datastoresOf = async (ask: Ask): Promise<LabDatastore[]> =>
  z.array(labDatastoreSchema).parse(await ask('GET', '/datastores'));

function mishaps(
  ask: Ask,
): Pick<
  Lab,
  | 'addFault'
  | 'faults'
  | 'clearFaults'
  | 'setLicence'
  | 'setMaintenance'
  | 'setVMotion'
  | 'setStorageRate'
  | 'setFreeSpace'
  | 'endSessions'
> {
  return {
    addFault: async (fault) => faultRuleSchema.parse(await ask('POST', '/faults', fault)),
    faults: async () => z.array(faultRuleSchema).parse(await ask('GET', '/faults')),
    clearFaults: async () => {
      await ask('DELETE', '/faults');
    },
    setLicence: async (licence) => {
      await ask('POST', '/settings', { licence });
    },
    setMaintenance: async (on, host = '') => {
      await ask('POST', '/settings', { maintenance: { on, host } });
    },
    setVMotion: async (vMotion) => {
      await ask('POST', '/settings', { vMotion });
    },
    setStorageRate: async (storageRate) => {
      await ask('POST', '/settings', { storageRate });
    },
    setFreeSpace: async (datastore, freeBytes) => {
      await ask('POST', '/settings', { freeSpace: { datastore, bytes: freeBytes ?? -1 } });
    },
    endSessions: async () => {
      await ask('POST', '/end-sessions');
    },
  };
}

function guestOf(ask: Ask, vm: string): Guest {
  return {
    command: async (command, { timeoutMs = GUEST_LIMIT_MS } = {}) => {
      const answer = await ask('POST', '/guest', { vm, command, timeoutMs }, timeoutMs + GRACE_MS);
      return z.object({ reply: z.string() }).parse(answer).reply;
    },
    ready: async ({ timeoutMs = READY_LIMIT_MS } = {}) => {
      const answer = await ask('POST', '/ready', { vm, timeoutMs }, timeoutMs + GRACE_MS);
      return z.object({ boots: z.number() }).parse(answer).boots;
    },
    logged: async () => z.array(z.number()).parse(await ask('GET', `/logged?vm=${encodeURIComponent(vm)}`)),
  };
}

/** Waits until the lab says that it is up. */
async function firstLine(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-4000);
  });
  const { stdout } = child;
  if (stdout === null) throw new LabError('NotRunning', 'the lab was started without an output');
  const lines = createInterface({ input: stdout });
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new LabError('NotRunning', `the lab did not start: ${why}. ${said}`));
      const timer = setTimeout(() => fail(`it said nothing for ${START_LIMIT_MS} ms`), START_LIMIT_MS);
      lines.once('line', (line) => {
        clearTimeout(timer);
        resolve(line);
      });
      child.once('error', (error) => {
        clearTimeout(timer);
        fail(error.message);
      });
      child.once('close', (code) => {
        clearTimeout(timer);
        fail(`it ended with ${String(code)}`);
      });
    });
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  } finally {
    lines.close();
  }
}

/** Ends our child and waits for it. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** Ends a process that is not our child, and waits until it is gone. */
export async function endProcess(pid: number): Promise<void> {
  const isAlive = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  if (!isAlive()) return;
  process.kill(pid, 'SIGTERM');
  const deadlineMs = Date.now() + STOP_LIMIT_MS;
  while (isAlive() && Date.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 50));
  if (isAlive())
    throw new LabError('NotRunning', `the lab (process ${pid}) did not end within ${STOP_LIMIT_MS} ms`);
}

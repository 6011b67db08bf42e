// One backup at a time per set. Locks are numbered objects, created only if absent: the highest number is the
// lock. Whoever finds it released, or its owner dead, creates the next number, and of several who try one
// succeeds; the highest is never removed, so there is no moment in which an old claim could look new.
//
// An owner on this machine is dead when its process is (process id, boot and start time are compared); one on
// another machine when its heartbeat is older than HEARTBEAT_STALE_MS by this machine's clock.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { generationOfLockObject, lockObjectName, lockPrefix } from './object-names.ts';
import type { Destination } from './ports.ts';
import { systemErrorCode, VaultError } from './vault-error.ts';

const HEARTBEAT_INTERVAL_MS = 30_000;
const HEARTBEAT_STALE_MS = 15 * 60_000;
const MAX_LOCK_BYTES = 4096;

const lockSchema = z.object({
  owner: z.string(),
  host: z.string(),
  pid: z.number().int(),
  /** Tells this process from an earlier one with the same number. */
  processStart: z.string(),
  since: z.string(),
  heartbeatAtMs: z.number(),
  released: z.boolean(),
});
type LockRecord = z.infer<typeof lockSchema>;

/** The locks that this process holds; one of its own that is not here is left over. */
const owners = new Set<string>();

export class SetLock {
  readonly #destination: Destination;
  readonly #setName: string;
  readonly #generation: number;
  readonly #record: LockRecord;
  readonly #heartbeat: NodeJS.Timeout;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(destination: Destination, setName: string, generation: number, record: LockRecord) {
    this.#destination = destination;
    this.#setName = setName;
    this.#generation = generation;
    this.#record = record;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_INTERVAL_MS);
    this.#heartbeat.unref();
  }

  /** Throws VaultError BackupInProgress, which says who holds it. */
  static async acquire(destination: Destination, setName: string): Promise<SetLock> {
    const generations = await listGenerations(destination, setName);
    const newest = Math.max(0, ...generations);
    if (newest > 0) await refuseIfHeld(destination, setName, newest);
    const record = newRecord();
    const name = lockObjectName(setName, newest + 1);
    const outcome = await claim(destination, name, record);
    if (outcome === 'exists') {
      throw new VaultError('BackupInProgress', `Another backup of set '${setName}' has just started.`);
    }
    const lock = new SetLock(destination, setName, newest + 1, record);
    try {
      for (const older of generations) await destination.remove(lockObjectName(setName, older));
    } catch (error) {
      await lock.release();
      throw error;
    }
    return lock;
  }

  /** Throws VaultError BackupInProgress when another took this lock for dead, which a long standstill can cause. */
  async assertHeld(): Promise<void> {
    const newest = Math.max(0, ...(await listGenerations(this.#destination, this.#setName)));
    if (newest === this.#generation) return;
    throw new VaultError(
      'BackupInProgress',
      `This backup of set '${this.#setName}' stood still for so long that another took over. Run it again.`,
    );
  }

  /** A lock whose release can't be written is no failure of the job: this process tells it for dead from here on. */
  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    owners.delete(this.#record.owner);
    await this.#writing;
    await this.#write({ ...this.#record, released: true }).catch(() => undefined);
  }

  #beat(): void {
    const beat = this.#write({ ...this.#record, heartbeatAtMs: Date.now() });
    // A heartbeat that could not be written is no failure of the backup: assertHeld decides.
    this.#writing = beat.catch(() => undefined);
  }

  async #write(record: LockRecord): Promise<void> {
    await this.#destination.put(lockObjectName(this.#setName, this.#generation), encode(record));
  }
}

async function claim(
  destination: Destination,
  name: string,
  record: LockRecord,
): Promise<'written' | 'exists'> {
  owners.add(record.owner);
  let outcome: 'written' | 'exists' | undefined;
  try {
    outcome = await destination.put(name, encode(record), { ifAbsent: true });
    return outcome;
  } finally {
    if (outcome !== 'written') owners.delete(record.owner);
  }
}

async function listGenerations(destination: Destination, setName: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of destination.list(lockPrefix(setName))) {
    const generation = generationOfLockObject(name);
    if (generation !== undefined) found.push(generation);
  }
  return found;
}

async function refuseIfHeld(destination: Destination, setName: string, generation: number): Promise<void> {
  const bytes = await destination.get(lockObjectName(setName, generation), MAX_LOCK_BYTES);
  const record = bytes === undefined ? undefined : decode(bytes);
  // A lock that went away or can't be read was not written by a backup that is alive: writing it is atomic.
  if (record === undefined || record.released || isDead(record)) return;
  throw new VaultError(
    'BackupInProgress',
    `A backup of set '${setName}' is running since ${record.since} on ${record.host} (process ${record.pid}).`,
  );
}

function isDead(record: LockRecord): boolean {
  if (record.host !== hostname()) return Date.now() - record.heartbeatAtMs > HEARTBEAT_STALE_MS;
  const start = processStart(record.pid);
  if (start !== undefined && start !== record.processStart) return true;
  if (record.pid === process.pid) return !owners.has(record.owner);
  return !processExists(record.pid);
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

/** Boot and start time of a process, `ended` for one that nobody has waited for yet, undefined when the system does not tell. */
function processStart(pid: number): string | undefined {
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the name in parentheses may hold blanks; the start time is field 22, the 20th after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended';
    const start = fields[19];
    return start === undefined ? undefined : `${bootId}/${start}`;
  } catch {
    return undefined;
  }
}

function newRecord(): LockRecord {
  return {
    owner: randomUUID(),
    host: hostname(),
    pid: process.pid,
    processStart: processStart(process.pid) ?? 'unknown',
    since: new Date().toISOString(),
    heartbeatAtMs: Date.now(),
    released: false,
  };
}

function encode(record: LockRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}

function decode(bytes: Uint8Array): LockRecord | undefined {
  try {
    return lockSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return undefined;
  }
}

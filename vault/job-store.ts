// The committed jobs of one set, found by listing: a job exists exactly when its manifest does.

import { type ListedJob, readManifest, readPublicPart } from './job-manifest.ts';
import { blocksPrefix, jobsPrefix, sequenceOfJobObject } from './object-names.ts';
import type { Destination } from './ports.ts';
import { VaultError } from './vault-error.ts';

export const MAX_JOBS_PER_SET = 10_000;
const JOB_ID = /^(\d{6,})-\d{8}T\d{6}Z$/;

/** A set whose key is known, as its parts see it. */
export interface SetContext {
  readonly destination: Destination;
  readonly setName: string;
  readonly setId: string;
  readonly setKey: Uint8Array;
  /** Of a set that is being made: it is there with its first job, so that a backup that fails leaves none. */
  readonly newKeyFile: Uint8Array | undefined;
}

export type Job = NonNullable<Awaited<ReturnType<typeof readManifest>>>;

/** Sequence numbers of the committed jobs, oldest first. */
export async function listSequences(destination: Destination, setName: string): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { name } of destination.list(jobsPrefix(setName))) {
    const sequence = sequenceOfJobObject(name);
    if (sequence !== undefined) sequences.push(sequence);
  }
  if (sequences.length > MAX_JOBS_PER_SET) {
    throw new VaultError(
      'FormatUnsupported',
      `Backup set '${setName}' has ${sequences.length} jobs; this version handles ${MAX_JOBS_PER_SET}.`,
    );
  }
  return sequences.sort((one, other) => one - other);
}

/** Every job's public part, oldest first, and what could not be read. Needs no key. */
export async function listJobs(destination: Destination, setName: string): Promise<FoundJobs<ListedJob>> {
  return findJobs(destination, setName, (sequence) => readPublicPart(destination, setName, sequence));
}

/** Every job with its seal checked, oldest first, and what is damaged. */
export async function loadJobs(set: SetContext): Promise<FoundJobs<Job>> {
  return findJobs(set.destination, set.setName, (sequence) => loadSequence(set, sequence));
}

interface FoundJobs<T> {
  readonly jobs: T[];
  /** In words: which manifest, and what is wrong with it. */
  readonly damaged: string[];
}

async function findJobs<T>(
  destination: Destination,
  setName: string,
  read: (sequence: number) => Promise<T | undefined>,
): Promise<FoundJobs<T>> {
  const jobs: T[] = [];
  const damaged: string[] = [];
  for (const sequence of await listSequences(destination, setName)) {
    try {
      const job = await read(sequence);
      if (job !== undefined) jobs.push(job);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged.push(error.message);
    }
  }
  return { jobs, damaged };
}

/** A job whose seal was checked. Throws VaultError: BackupNotFound, BlockCorrupt. */
export async function loadJob(set: SetContext, jobId: string): Promise<Job> {
  const digits = JOB_ID.exec(jobId)?.[1];
  const job = digits === undefined ? undefined : await loadSequence(set, Number(digits));
  if (job?.content.jobId === jobId) return job;
  throw new VaultError(
    'BackupNotFound',
    `Backup set '${set.setName}' has no job ${jobId}. See 'vault list'.`,
  );
}

/** The newest job that `accepts`; undefined when there is none. Throws VaultError BlockCorrupt. */
export async function newestJob(set: SetContext, accepts: (job: Job) => boolean): Promise<Job | undefined> {
  for (const sequence of (await listSequences(set.destination, set.setName)).reverse()) {
    const job = await loadSequence(set, sequence);
    if (job !== undefined && accepts(job)) return job;
  }
  return undefined;
}

async function loadSequence(set: SetContext, sequence: number): Promise<Job | undefined> {
  return readManifest(set.destination, set.setName, set.setId, sequence, set.setKey);
}

/** Sizes of the set's block files, by object name. */
export async function blockFileSizes(set: SetContext): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, sizeBytes } of set.destination.list(blocksPrefix(set.setName))) {
    sizes.set(name, sizeBytes);
  }
  return sizes;
}

export function isDamage(error: unknown): error is VaultError {
  if (!(error instanceof VaultError)) return false;
  return error.code === 'BlockCorrupt' || error.code === 'ChainBroken' || error.code === 'FormatUnsupported';
}

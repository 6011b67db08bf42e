// One backup job: every disk into a block file of its own, then the manifest, which makes all of it exist at
// once. Under the set's lock it first removes what a killed backup left: block files that no manifest names.
//
// A delta builds on the newest job that has the disk, or on the one that the source names. Either is right: each
// job says for itself which files make its disks, so a chain may branch, and what a delta takes over is decided by
// digests, or by the source's word on what changed since exactly that job.
import { DEFAULT_BLOCK_SIZE_BYTES } from './block-file-format.ts';
import { backupDisk } from './disk-backup.ts';
import { DiskChain } from './disk-chain.ts';
import { encodeManifest, type JobContent, type ManifestDisk, summaryOf } from './job-manifest.ts';
import {
  blockFileSizes,
  type Job,
  listSequences,
  loadJob,
  loadJobs,
  MAX_JOBS_PER_SET,
  type SetContext,
} from './job-store.ts';
import { MAX_KEY_FILE_BYTES } from './key-file.ts';
import { ImageCache } from './loading-cache.ts';
import { blockFileName, jobIdFor, jobObjectName, keyFileName, setPrefix } from './object-names.ts';
import type { BackupOptions, BackupSource, DiskChanges, JobSummary, KeptFrom, SourceDisk } from './ports.ts';
import { SetLock } from './set-lock.ts';
import { VaultError } from './vault-error.ts';
import { assertChainsWhole, diskContext } from './vm-at-job.ts';

/** A chain that has grown to this many files is followed by a full by itself. */
const MAX_CHAIN_FILES = 512;
const MAX_VMS = 1024;
const MAX_DISKS_PER_VM = 256;
/** Index pages of the job before, while they are compared. */
const PREVIOUS_PAGES_BYTES = 4 * 1024 * 1024;

/** Throws as `BackupSet.backup` says. */
export async function runBackup(
  set: SetContext,
  sources: readonly BackupSource[],
  options: BackupOptions,
): Promise<JobSummary> {
  checkSources(sources);
  const lock = await SetLock.acquire(set.destination, set.setName);
  try {
    return await new BackupRun(set, sources, options, lock).run();
  } finally {
    await lock.release();
  }
}

class BackupRun {
  readonly #set: SetContext;
  readonly #sources: readonly BackupSource[];
  readonly #options: BackupOptions;
  readonly #lock: SetLock;
  readonly #startedAt = new Date();
  #totalBytes: number;
  readonly #written: string[] = [];
  #committing = false;
  #doneBytes = 0;
  #storedBytes = 0;

  constructor(set: SetContext, sources: readonly BackupSource[], options: BackupOptions, lock: SetLock) {
    this.#set = set;
    this.#sources = sources;
    this.#options = options;
    this.#lock = lock;
    this.#totalBytes = sources
      .flatMap((source) => source.disks.map((disk) => changesOf(source, disk)?.totalBytes ?? disk.sizeBytes))
      .reduce((sum, bytes) => sum + bytes, 0);
  }

  async run(): Promise<JobSummary> {
    await this.#refuseOtherKey();
    const { jobs, damaged } = await loadJobs(this.#set);
    for (const damage of damaged) this.#options.onDamage?.(damage);
    const done = jobs.find(({ content }) => isOf(content, this.#options.keptFrom));
    if (done !== undefined) return summaryOf(done);
    this.#refuseFullSet(jobs.length + damaged.length);
    // A damaged manifest may name files that are whole: nothing is removed that it could be needed for.
    if (damaged.length === 0) await this.#removeLeftovers(jobs);
    try {
      return await this.#backUp(jobs);
    } catch (error) {
      // A manifest whose writing failed may still be there: then its files must be, too. The next backup knows.
      if (this.#committing) throw error;
      for (const name of this.#written) await this.#set.destination.remove(name).catch(() => undefined);
      throw error;
    }
  }

  /** Two that make one set have different keys: whoever comes second unlocks the set of the first. */
  async #refuseOtherKey(): Promise<void> {
    const { destination, setName, newKeyFile } = this.#set;
    if (newKeyFile === undefined) return;
    const found = await destination.get(keyFileName(setName), MAX_KEY_FILE_BYTES);
    if (found === undefined || Buffer.from(newKeyFile).equals(found)) return;
    throw new VaultError('BackupInProgress', `Another backup has just made the set '${setName}'.`);
  }

  /** One job more, and nobody reads the set any more. */
  #refuseFullSet(jobs: number): void {
    if (jobs < MAX_JOBS_PER_SET) return;
    throw new VaultError(
      'InvalidInput',
      `Backup set '${this.#set.setName}' has ${jobs} jobs, and takes no more. Begin another set.`,
    );
  }

  async #backUp(jobs: readonly Job[]): Promise<JobSummary> {
    const vms: JobContent['vms'] = [];
    for (const source of this.#sources) {
      const disks: ManifestDisk[] = [];
      for (const disk of source.disks) disks.push(await this.#backupDisk(source, disk, jobs));
      vms.push({ name: source.vmName, disks });
    }
    for (const source of this.#sources) await source.assertUnchanged();
    return this.#commit(vms, await this.#nextSequence());
  }

  async #backupDisk(source: BackupSource, disk: SourceDisk, jobs: readonly Job[]): Promise<ManifestDisk> {
    const { vmName } = source;
    const context = diskContext(this.#set, vmName, disk.name);
    const earlier = this.#options.full === true ? undefined : await this.#earlierDisk(source, disk, jobs);
    const cache = new ImageCache(0, PREVIOUS_PAGES_BYTES);
    const previous = earlier === undefined ? undefined : await DiskChain.open(context, earlier.chain, cache);
    try {
      const fits = previous?.footer.blockSizeBytes === DEFAULT_BLOCK_SIZE_BYTES;
      const known = changesOf(source, disk);
      const changes = fits ? known : undefined;
      if (known !== changes) this.#totalBytes += disk.sizeBytes - (known?.totalBytes ?? 0);
      const file = await backupDisk(context, disk, {
        previous: fits ? previous : undefined,
        changes,
        signal: this.#options.signal,
        onProgress: ({ doneBytes, storedBytes }) =>
          this.#report('reading', vmName, disk.name, doneBytes, storedBytes),
      });
      this.#written.push(blockFileName(this.#set.setName, file.fileId));
      this.#doneBytes += changes?.totalBytes ?? disk.sizeBytes;
      this.#storedBytes += file.sizeBytes;
      return {
        name: disk.name,
        sizeBytes: disk.sizeBytes,
        chain: [...(fits ? (earlier?.chain ?? []) : []), file],
      };
    } finally {
      await previous?.close();
    }
  }

  /** The disk at the job that it is based on, if a delta can be built on it. Throws when its chain is not whole. */
  async #earlierDisk(
    { vmName, baseJobId }: BackupSource,
    disk: SourceDisk,
    jobs: readonly Job[],
  ): Promise<ManifestDisk | undefined> {
    const candidates = baseJobId === undefined ? jobs : [await this.#base(baseJobId, jobs)];
    const earlier = candidates
      .map(({ content }) => findDisk(content, vmName, disk.name))
      .findLast((found) => found !== undefined);
    if (
      earlier === undefined ||
      earlier.chain.length >= MAX_CHAIN_FILES ||
      earlier.sizeBytes > disk.sizeBytes
    ) {
      return undefined;
    }
    try {
      await assertChainsWhole(this.#set, vmName, [earlier]);
    } catch (error) {
      if (!(error instanceof VaultError) || error.code !== 'ChainBroken') throw error;
      throw new VaultError('ChainBroken', `${error.message} A full backup starts a new chain.`, {
        cause: error,
      });
    }
    return earlier;
  }

  /** Throws BackupNotFound and BlockCorrupt. */
  async #base(jobId: string, jobs: readonly Job[]): Promise<Job> {
    return jobs.find(({ content }) => content.jobId === jobId) ?? loadJob(this.#set, jobId);
  }

  async #nextSequence(): Promise<number> {
    return ((await listSequences(this.#set.destination, this.#set.setName)).at(-1) ?? 0) + 1;
  }

  async #commit(vms: JobContent['vms'], sequence: number): Promise<JobSummary> {
    const content: JobContent = {
      setId: this.#set.setId,
      jobId: jobIdFor(sequence, this.#startedAt),
      sequence,
      createdAt: new Date().toISOString(),
      ...(this.#options.keptFrom === undefined ? {} : { keptFrom: this.#options.keptFrom }),
      vms,
    };
    const manifest = encodeManifest(content, this.#sources, this.#set.setKey);
    this.#report('committing', '', '', 0, 0);
    this.#options.signal?.throwIfAborted();
    await this.#lock.assertHeld();
    const { destination, setName, newKeyFile } = this.#set;
    if (newKeyFile !== undefined) {
      await destination.put(keyFileName(setName), newKeyFile, { ifAbsent: true });
      await this.#refuseOtherKey();
    }
    const name = jobObjectName(setName, sequence);
    this.#committing = true;
    const outcome = await destination.put(name, manifest, { ifAbsent: true });
    if (outcome === 'exists') {
      throw new VaultError('BackupInProgress', `Another backup of set '${setName}' took ${name}.`);
    }
    return summaryOf({ content, manifestBytes: manifest.byteLength });
  }

  async #removeLeftovers(jobs: readonly Job[]): Promise<void> {
    const named = new Set<string>();
    for (const { content } of jobs) {
      for (const disk of content.vms.flatMap((vm) => vm.disks)) {
        for (const { fileId } of disk.chain) named.add(blockFileName(this.#set.setName, fileId));
      }
    }
    for (const name of (await blockFileSizes(this.#set)).keys()) {
      if (!named.has(name)) await this.#set.destination.remove(name);
    }
    await this.#set.destination.removeLeftovers(setPrefix(this.#set.setName));
  }

  #report(
    phase: 'reading' | 'committing',
    vmName: string,
    diskName: string,
    diskDoneBytes: number,
    diskStoredBytes: number,
  ): void {
    this.#options.onProgress?.({
      phase,
      vmName,
      diskName,
      doneBytes: this.#doneBytes + diskDoneBytes,
      totalBytes: this.#totalBytes,
      storedBytes: this.#storedBytes + diskStoredBytes,
    });
  }
}

/** What is known to have changed says something only about the job that it is known for. */
function changesOf({ baseJobId }: BackupSource, { changes }: SourceDisk): DiskChanges | undefined {
  return baseJobId === undefined ? undefined : changes;
}

function isOf({ keptFrom }: JobContent, wanted: KeptFrom | undefined): boolean {
  return wanted !== undefined && keptFrom?.keepId === wanted.keepId;
}

function findDisk(content: JobContent, vmName: string, diskName: string): ManifestDisk | undefined {
  return content.vms.find((vm) => vm.name === vmName)?.disks.find((disk) => disk.name === diskName);
}

function checkSources(sources: readonly BackupSource[]): void {
  if (sources.length === 0 || sources.length > MAX_VMS) {
    throw new VaultError('InvalidInput', `A job holds 1 to ${MAX_VMS} VMs, not ${sources.length}.`);
  }
  checkNames(
    sources.map(({ vmName }) => vmName),
    'VMs are named',
  );
  for (const { vmName, disks, files } of sources) {
    if (disks.length > MAX_DISKS_PER_VM) {
      throw new VaultError(
        'InvalidInput',
        `${vmName} has ${disks.length} disks; the limit is ${MAX_DISKS_PER_VM}.`,
      );
    }
    checkNames(
      disks.map(({ name }) => name),
      `disks of ${vmName} are named`,
    );
    checkNames(
      files.map(({ name }) => name),
      `files of ${vmName} are named`,
    );
    const plain = [...disks, ...files].every(
      ({ name }) => !/[/\0]/.test(name) && name !== '.' && name !== '..',
    );
    if (!plain) throw new VaultError('InvalidInput', `A file or disk of ${vmName} has no plain file name.`);
  }
}

function checkNames(names: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (name === '') throw new VaultError('InvalidInput', `A name is empty: ${what} ''.`);
    if (seen.has(name))
      throw new VaultError('InvalidInput', `Two ${what} '${name}'; a job tells them apart by name.`);
    seen.add(name);
  }
}

// The vault of one destination: its marker, its backup sets, and how a set is made and unlocked.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { runBackup } from './backup.ts';
import { inspectFolder, localFolder } from './destinations/local-folder.ts';
import { readManifest, readPublicPart, summaryOf } from './job-manifest.ts';
import { isDamage, listJobs, listSequences, loadJob, type SetContext } from './job-store.ts';
import {
  checkKey,
  createKeyFile,
  type KeyFile,
  MAX_KEY_FILE_BYTES,
  parseKeyFile,
  unwrapKey,
} from './key-file.ts';
import { ImageCache } from './loading-cache.ts';
import { checkSetName, keyFileName, SETS_PREFIX, VAULT_FILE } from './object-names.ts';
import type {
  BackupOptions,
  BackupSet,
  BackupSource,
  Destination,
  JobSummary,
  SetSummary,
  Vault,
  VerifyOptions,
  VerifyReport,
  VmAtJob,
} from './ports.ts';
import { VaultError } from './vault-error.ts';
import { verifyJob } from './verify.ts';
import { openVmAtJob } from './vm-at-job.ts';

const MAX_MARKER_BYTES = 64 * 1024;
const VERSION = 1;
/** What says that a set exists: its key file, and, should that be lost, any of its jobs. */
const SET_OBJECT = /^sets\/([^/]+)\/(?:key\.json|jobs\/[^/]+)$/;

const markerSchema = z.object({
  format: z.literal('rundirect-vault'),
  version: z.number().int().positive(),
  vaultId: z.string().min(1),
  createdAt: z.string(),
});

export interface OpenVaultOptions {
  /** What its images share; a process that opens several vaults may give them one. */
  readonly cache?: ImageCache;
}

/**
 * Makes a vault in the folder `location` (absolute), which may exist if it is empty.
 * Throws VaultError: VaultExists; NotAVault when something else is there; DestinationUnavailable; DestinationRefused;
 * StorageFull.
 */
export async function initVault(location: string): Promise<{ vaultId: string }> {
  const destination = localFolder(location);
  const found = await inspectFolder(location);
  if (found === 'used' && (await readMarker(destination)) !== undefined) {
    throw new VaultError('VaultExists', `There is a vault at ${location} already.`);
  }
  if (found === 'used' || found === 'not-a-folder') {
    const what = found === 'used' ? 'is not empty' : 'is not a folder';
    throw new VaultError(
      'NotAVault',
      `No vault was made: ${location} ${what}. Name an empty or a new folder.`,
    );
  }
  const vaultId = randomUUID();
  const marker = {
    format: 'rundirect-vault',
    version: VERSION,
    vaultId,
    createdAt: new Date().toISOString(),
  };
  const outcome = await destination.put(VAULT_FILE, Buffer.from(`${JSON.stringify(marker)}\n`), {
    ifAbsent: true,
  });
  if (outcome === 'exists') throw new VaultError('VaultExists', `There is a vault at ${location} already.`);
  return { vaultId };
}

/** Throws VaultError: VaultNotFound, NotAVault, FormatUnsupported, DestinationUnavailable, DestinationRefused. */
export async function openVault(location: string, options: OpenVaultOptions = {}): Promise<Vault> {
  const destination = localFolder(location);
  const found = await inspectFolder(location);
  if (found === 'absent') {
    throw new VaultError('VaultNotFound', `There is nothing at ${location}. Make a vault with 'vault init'.`);
  }
  const marker = found === 'used' ? await readMarker(destination) : undefined;
  if (marker === undefined) {
    throw new VaultError(
      'NotAVault',
      `${location} is not a vault: it has no ${VAULT_FILE}. Is the right disk mounted?`,
    );
  }
  return new OpenVault(destination, marker.vaultId, options.cache ?? new ImageCache());
}

async function readMarker(destination: Destination): Promise<{ vaultId: string } | undefined> {
  const bytes = await destination.get(VAULT_FILE, MAX_MARKER_BYTES);
  if (bytes === undefined) return undefined;
  const marker = parseMarker(bytes, destination.location);
  if (marker.version <= VERSION) return marker;
  throw new VaultError(
    'FormatUnsupported',
    `The vault at ${destination.location} has format version ${marker.version}; this program reads version ${VERSION}. Update it.`,
  );
}

function parseMarker(bytes: Uint8Array, location: string): z.infer<typeof markerSchema> {
  try {
    return markerSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    throw new VaultError(
      'NotAVault',
      `${VAULT_FILE} at ${location} is not that of a vault, or is damaged. Bring it back from a copy of the vault.`,
      { cause: error },
    );
  }
}

class OpenVault implements Vault {
  readonly vaultId: string;
  readonly #destination: Destination;
  readonly #cache: ImageCache;

  constructor(destination: Destination, vaultId: string, cache: ImageCache) {
    this.#destination = destination;
    this.vaultId = vaultId;
    this.#cache = cache;
  }

  async listSets(): Promise<readonly SetSummary[]> {
    const names = new Set<string>();
    for await (const { name } of this.#destination.list(SETS_PREFIX)) {
      const setName = SET_OBJECT.exec(name)?.[1];
      if (setName !== undefined) names.add(setName);
    }
    const sets: SetSummary[] = [];
    for (const name of [...names].sort()) sets.push(await this.#summarize(name));
    return sets;
  }

  async hasSet(name: string): Promise<boolean> {
    checkSetName(name);
    return (await this.#destination.get(keyFileName(name), MAX_KEY_FILE_BYTES)) !== undefined;
  }

  async createSet(name: string, passphrase: string): Promise<BackupSet> {
    checkSetName(name);
    if (passphrase === '') throw new VaultError('InvalidInput', 'A backup set needs a passphrase.');
    if (await this.hasSet(name)) {
      throw new VaultError('InvalidInput', `There is a backup set '${name}' already.`);
    }
    await this.#requireNoOrphans(name);
    const { keyFile, key } = await createKeyFile(randomUUID(), new Date().toISOString(), passphrase);
    return this.#open(name, keyFile, key, Buffer.from(`${JSON.stringify(keyFile, undefined, 2)}\n`));
  }

  async unlockSet(name: string, passphrase: string): Promise<BackupSet> {
    const keyFile = await this.#keyFile(name);
    return this.#open(name, keyFile, await unwrapKey(keyFile, name, passphrase));
  }

  async openSetWithKey(name: string, key: Uint8Array): Promise<BackupSet> {
    const keyFile = await this.#keyFile(name);
    return this.#open(name, keyFile, checkKey(keyFile, name, key));
  }

  async #keyFile(name: string): Promise<KeyFile> {
    checkSetName(name);
    const bytes = await this.#destination.get(keyFileName(name), MAX_KEY_FILE_BYTES);
    if (bytes !== undefined) {
      const keyFile = parseKeyFile(bytes, keyFileName(name));
      await this.#requireOwnJobs(name, keyFile);
      return keyFile;
    }
    await this.#requireNoOrphans(name);
    throw new VaultError(
      'BackupNotFound',
      `The vault at ${this.#destination.location} has no backup set '${name}'. See 'vault list'.`,
    );
  }

  /** Jobs without a key file are sealed with a key that nobody has: another key beside them would hide the loss. */
  async #requireNoOrphans(name: string): Promise<void> {
    if ((await this.hasSet(name)) || (await listSequences(this.#destination, name)).length === 0) return;
    throw new VaultError(
      'FormatUnsupported',
      `Backup set '${name}' has jobs, but its key file ${keyFileName(name)} is missing. Bring it back from a copy of the vault: without it no passphrase opens them.`,
    );
  }

  /** Another set's key file opens no job here, and a job under its key beside them would hide the loss. */
  async #requireOwnJobs(name: string, { setId }: KeyFile): Promise<void> {
    let foreign = false;
    for (const sequence of (await listSequences(this.#destination, name)).reverse()) {
      const job = await readPublicPart(this.#destination, name, sequence).catch(undefinedIfDamaged);
      if (job?.content.setId === setId) return;
      foreign ||= job !== undefined;
    }
    if (!foreign) return;
    throw new VaultError(
      'FormatUnsupported',
      `${keyFileName(name)} is not the key file of backup set '${name}': its jobs are those of another one. Bring it back from a copy of the vault.`,
    );
  }

  async #summarize(name: string): Promise<SetSummary> {
    const damaged: string[] = [];
    let createdAt = '';
    try {
      ({ createdAt } = await this.#keyFile(name));
    } catch (error) {
      if (!(error instanceof VaultError) || error.code !== 'FormatUnsupported') throw error;
      damaged.push(error.message);
    }
    const listed = await listJobs(this.#destination, name);
    return { name, createdAt, jobs: listed.jobs.map(summaryOf), damaged: [...damaged, ...listed.damaged] };
  }

  #open(name: string, { setId }: KeyFile, setKey: Uint8Array, newKeyFile?: Uint8Array): BackupSet {
    const set = { destination: this.#destination, setName: name, setId, setKey, newKeyFile };
    return new OpenSet(set, this.#cache);
  }
}

function undefinedIfDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error;
}

class OpenSet implements BackupSet {
  readonly #set: SetContext;
  readonly #cache: ImageCache;

  constructor(set: SetContext, cache: ImageCache) {
    this.#set = set;
    this.#cache = cache;
  }

  get name(): string {
    return this.#set.setName;
  }

  get key(): Uint8Array {
    return this.#set.setKey;
  }

  async jobs(): Promise<readonly JobSummary[]> {
    const { destination, setName, setId, setKey } = this.#set;
    const jobs: JobSummary[] = [];
    for (const sequence of await listSequences(destination, setName)) {
      const job = await readManifest(destination, setName, setId, sequence, setKey);
      if (job !== undefined) jobs.push(summaryOf(job));
    }
    return jobs;
  }

  async backup(sources: readonly BackupSource[], options: BackupOptions = {}): Promise<JobSummary> {
    return runBackup(this.#set, sources, options);
  }

  async openVm(jobId: string, vmName: string): Promise<VmAtJob> {
    return openVmAtJob(this.#set, this.#cache, jobId, vmName);
  }

  async verify(jobId: string, vmName?: string, options: VerifyOptions = {}): Promise<VerifyReport> {
    return verifyJob(this.#set, await loadJob(this.#set, jobId), vmName, options);
  }
}

// What the vault asks of the outside, and what it hands out. Everything else in this folder is behind the
// door (index.ts). Sizes and offsets are safe integers in bytes; times are ISO 8601, UTC.

/** One disk of a VM that is being backed up. Its size is a multiple of 512 bytes. */
export interface SourceDisk {
  /** The disk's name inside the VM's folder, as the .vmx knows it: `web01.vmdk`. Unique within the VM. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Fills `into` from `offsetBytes`; is never asked to read beyond `sizeBytes`. */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  /**
   * Where it may differ from the same disk at the source's `baseJobId`: nothing else is read where a delta can be
   * built on that. Absent: anywhere.
   */
  readonly changes?: DiskChanges;
}

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface DiskChanges {
  /** Of all ranges together, for the progress. */
  readonly totalBytes: number;
  /** In order, none twice, none beyond the disk's end. */
  ranges(): AsyncIterable<ByteRange>;
}

/** A VM's small file (.vmx, .nvram, disk descriptors), kept byte for byte. */
export interface SmallFile {
  /** Plain file name, no directories. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A VM that can be read consistently for as long as the source is open. */
export interface BackupSource {
  /** The VM's display name: its name inside the backup set. */
  readonly vmName: string;
  readonly disks: readonly SourceDisk[];
  readonly files: readonly SmallFile[];
  /** The job that deltas are built on; absent: for each disk the newest that has it. */
  readonly baseJobId?: string;
  /** Throws if anything changed since the source was opened; called after the last read, before the job is committed. */
  assertUnchanged(): Promise<void>;
}

/** The read-only view of one disk at one job: its chain, merged on the fly. Safe for concurrent reads. */
export interface Image {
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  /**
   * Fills `into` from `offsetBytes`. Every block that contributes was authenticated.
   * Throws VaultError: BlockCorrupt (names file, disk, block), ChainBroken, InvalidInput for a range beyond the
   * disk's end; DestinationUnavailable, also after close: opening it again helps.
   */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export type JobKind = 'full' | 'delta';

/** Where the contents of a job come from that was kept from a session, and no backup of a VM at rest. */
export interface KeptFrom {
  readonly sessionId: string;
  /** The job that the session runs from. */
  readonly baseJobId: string;
  /** The moment that the disks show, ISO 8601, UTC. */
  readonly at: string;
  /** Of this one keep: a set has at most one job of it. */
  readonly keepId: string;
}

export interface DiskSummary {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes that this job added to the vault for the disk. */
  readonly storedBytes: number;
}

export interface VmSummary {
  readonly name: string;
  readonly disks: readonly DiskSummary[];
}

/** One committed point in time of a backup set. */
export interface JobSummary {
  readonly jobId: string;
  /** `delta` when at least one of its disks builds on an earlier job. */
  readonly kind: JobKind;
  /** When the job was committed. */
  readonly createdAt: string;
  /** Undefined for a backup. */
  readonly keptFrom?: KeptFrom | undefined;
  readonly vms: readonly VmSummary[];
  /** Bytes that this job added to the vault: block files and the manifest. */
  readonly storedBytes: number;
}

/** What anybody who reads the destination can see of a set: names, sizes and times, and no contents. */
export interface SetSummary {
  readonly name: string;
  readonly createdAt: string;
  /** Oldest first. */
  readonly jobs: readonly JobSummary[];
  /** Manifests that can't be read, in words: object and reason. They are not among `jobs`. */
  readonly damaged: readonly string[];
}

export interface BackupProgress {
  readonly phase: 'reading' | 'committing';
  readonly vmName: string;
  readonly diskName: string;
  /** Of all disks of the job; where a disk's changes are known, of these. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes written to the vault so far. */
  readonly storedBytes: number;
}

export interface BackupOptions {
  /** Start a new chain for every disk although a delta would do. */
  readonly full?: boolean;
  /** Marks the job. When the set has a job of the same `keepId`, that is answered and nothing is written. */
  readonly keptFrom?: KeptFrom;
  readonly onProgress?: (progress: BackupProgress) => void;
  /** Told of each manifest that can't be read, in words: object and reason. The new job builds on none of them. */
  readonly onDamage?: (damage: string) => void;
  /** Aborting removes what was written; the reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Where a verify has got to: everything before this block of this disk is checked. JSON-safe. */
export interface VerifyCursor {
  readonly vmName: string;
  readonly diskName: string;
  readonly blockNumber: number;
}

export interface VerifyProgress {
  readonly checkedBytes: number;
  readonly totalBytes: number;
  readonly cursor: VerifyCursor;
  readonly findings: readonly string[];
}

export interface VerifyOptions {
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly signal?: AbortSignal;
  /** Goes on where an earlier verify of the same job and VM was interrupted; its findings are the caller's. */
  readonly resumeFrom?: VerifyCursor;
}

export interface VerifyReport {
  readonly jobId: string;
  readonly passed: boolean;
  /** Of the disks' sizes, holes included. */
  readonly checkedBytes: number;
  readonly totalBytes: number;
  /** What is wrong, in words: file, disk and block; at most 100, then one that says that there are more. */
  readonly findings: readonly string[];
}

/** A VM as it was at one job. Opening it has checked the manifest's seal and that every file of every chain is whole in size. */
export interface VmAtJob {
  readonly jobId: string;
  readonly kind: JobKind;
  readonly keptFrom: KeptFrom | undefined;
  readonly vmName: string;
  readonly files: readonly SmallFile[];
  readonly disks: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Throws VaultError: BackupNotFound for no such disk, BlockCorrupt, ChainBroken, DestinationUnavailable. */
  openImage(diskName: string): Promise<Image>;
  /** Closes the images that are still open. */
  close(): Promise<void>;
}

/** A set whose key is known. */
export interface BackupSet {
  readonly name: string;
  /** The set's key, 32 bytes. Whoever has it can read every job of the set. */
  readonly key: Uint8Array;
  /** Committed jobs, oldest first, each one's seal checked. Throws VaultError BlockCorrupt for a damaged one. */
  jobs(): Promise<readonly JobSummary[]>;
  /**
   * Backs up the VMs as one job: a full for a disk that the set does not know, an in-file delta otherwise.
   * Throws VaultError: BackupInProgress, StorageFull, DestinationUnavailable, DestinationRefused, ChainBroken,
   * BlockCorrupt, BackupNotFound (a base that is not there), InvalidInput; and whatever the sources throw. Nothing is visible
   * unless it returns.
   */
  backup(sources: readonly BackupSource[], options?: BackupOptions): Promise<JobSummary>;
  /** `latest` is the newest job that holds the VM. Throws BackupNotFound, ChainBroken, BlockCorrupt. */
  openVm(jobId: string, vmName: string): Promise<VmAtJob>;
  /** Reads every block of the job (of one VM, or all) and checks seals and digests. Damage is reported, not thrown. */
  verify(jobId: string, vmName?: string, options?: VerifyOptions): Promise<VerifyReport>;
}

/** A vault that is open for reading and writing. It holds no connection and needs no close. */
export interface Vault {
  readonly vaultId: string;
  /** Needs no passphrase. */
  listSets(): Promise<readonly SetSummary[]>;
  hasSet(name: string): Promise<boolean>;
  /**
   * A set that is in the vault with its first job, and not before.
   * Throws VaultError InvalidInput for a name that is taken or not a plain name, or an empty passphrase.
   */
  createSet(name: string, passphrase: string): Promise<BackupSet>;
  /** Throws VaultError: BackupNotFound for no such set, KeyRejected for the wrong passphrase. */
  unlockSet(name: string, passphrase: string): Promise<BackupSet>;
  /** The same with the set's key, as `BackupSet.key` gave it. */
  openSetWithKey(name: string, key: Uint8Array): Promise<BackupSet>;
}

/**
 * Where a vault's bytes live. Object names are relative, with '/' between parts; no part starts with a dot.
 * Failures are thrown as VaultError DestinationUnavailable, DestinationRefused or StorageFull; that an object is absent, or there
 * already, is an answer. One contract suite tests every implementation: testing/destination-contract.ts.
 */
export interface Destination {
  /** How people know it: the folder, or the URL. */
  readonly location: string;
  /** A whole small object, or undefined. One larger than `limitBytes` is refused: FormatUnsupported. */
  get(name: string, limitBytes: number): Promise<Uint8Array | undefined>;
  /** For reading parts of a large object; undefined when it is absent. */
  open(name: string): Promise<DestinationReader | undefined>;
  /** Atomic and durable: whole under its name or not at all. With `ifAbsent`, answers `exists` and changes nothing when it is there. */
  put(name: string, bytes: Uint8Array, options?: { ifAbsent?: boolean }): Promise<'written' | 'exists'>;
  /** A large object written front to back; visible, whole and durable only after `commit`. */
  create(name: string): Promise<DestinationWriter>;
  /** Committed objects whose names start with `prefix`, which ends with '/' or is empty, at any depth, in no order. */
  list(prefix: string): AsyncIterable<{ readonly name: string; readonly sizeBytes: number }>;
  /** Removing what is absent is done. */
  remove(name: string): Promise<void>;
  /** Removes what writers that died left below `prefix`. Call it only while nobody else writes there. */
  removeLeftovers(prefix: string): Promise<void>;
}

export interface DestinationReader {
  readonly sizeBytes: number;
  /** Up to `lengthBytes` from `offsetBytes`; fewer only where the object ends. Safe for concurrent use. */
  read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface DestinationWriter {
  /** The bytes may be reused by the caller once it resolves. */
  append(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  /** Leaves nothing behind; safe after a failed append and after commit (then it does nothing). */
  abort(): Promise<void>;
}

// What the vault asks of the outside, and what it hands out. Everything else in this folder is behind the
// door (index.ts). Sizes and offsets are safe integers in bytes.

/** One disk of a VM that is being backed up. Its size is a multiple of 512 bytes. */
export interface SourceDisk {
  /** The disk's name inside the VM's folder, as the .vmx knows it: `web01.vmdk`. Unique within the VM. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Fills `into` from `offsetBytes`; never reads beyond `sizeBytes`. */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  /** Ranges that may hold data, in order; a source that cannot tell yields the whole disk. */
  allocated?(): AsyncIterable<{ offsetBytes: number; lengthBytes: number }>;
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
  /** Throws if anything changed since the source was opened; called after the last read, before the job is committed. */
  assertUnchanged(): Promise<void>;
}

/** The read-only view of one disk at one job: its chain, merged on the fly. Safe for concurrent reads. */
export interface Image {
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  /**
   * Fills `into` from `offsetBytes`. Every block that contributes was authenticated.
   * Throws VaultError: BlockCorrupt (names file, disk, block), DestinationUnavailable, ChainBroken.
   */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Where a vault's bytes live. Object names are relative, with '/' between parts. One contract suite tests them all. */
export interface Destination {
  /** Whole small objects; throws VaultError NotFound. */
  get(name: string, limitBytes: number): Promise<Uint8Array>;
  /** Reads `lengthBytes` at `offsetBytes`; throws VaultError BlockCorrupt-free short reads as DestinationTruncated. */
  read(name: string, offsetBytes: number, lengthBytes: number): Promise<Uint8Array>;
  size(name: string): Promise<number>;
  /** Atomic: the object exists whole under its name or not at all. Fails with AlreadyExists when `ifAbsent`. */
  put(name: string, bytes: Uint8Array, options?: { ifAbsent?: boolean }): Promise<void>;
  /** A large object written front to back; visible, whole and durable only after `commit`. */
  create(name: string): Promise<DestinationWriter>;
  list(prefix: string): AsyncIterable<{ name: string; sizeBytes: number }>;
  remove(name: string): Promise<void>;
}

export interface DestinationWriter {
  append(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  /** Leaves nothing behind; safe after a failed append and after commit (then it does nothing). */
  abort(): Promise<void>;
}

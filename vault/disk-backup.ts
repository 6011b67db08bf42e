// Backs up one disk into one block file, in one pass from front to back. Memory: two read buffers, one write
// buffer and one page per index level, whatever the disk's size. While one buffer is compressed and sealed, the
// next is being read. Where the disk's changes since the earlier job are known, the rest is not read: its leaves,
// and the blocks beside changed ones, are taken over from there.
import { hash, randomBytes } from 'node:crypto';
import type { DiskContext } from './block-file.ts';
import {
  ABSENT,
  blockCount,
  DEFAULT_BLOCK_SIZE_BYTES,
  DIGEST_BYTES,
  encodeEndMark,
  encodeFooter,
  encodeHeader,
  FILE_ID_BYTES,
  MAX_DISK_BYTES,
  PAGE_BYTES,
  PAGE_FANOUT,
  POINTER_BYTES,
  type Pointer,
  rootLevelFor,
} from './block-file-format.ts';
import type { DiskChain } from './disk-chain.ts';
import { blockIn, IndexWriter, setBlock } from './index-writer.ts';
import type { ChainFile } from './job-manifest.ts';
import { blockFileName } from './object-names.ts';
import type { ByteRange, DestinationWriter, DiskChanges, SourceDisk } from './ports.ts';
import { Encoding, RecordKind, RecordSealer, TAG_BYTES } from './sealing.ts';
import { VaultError } from './vault-error.ts';

/** Read at once; a multiple of every block size. */
const CHUNK_BYTES = 1024 * 1024;
const WRITE_BUFFER_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

export interface DiskBackupProgress {
  /** Of the disk, or of its changes. */
  readonly doneBytes: number;
  readonly storedBytes: number;
}

export interface DiskBackupOptions {
  /** The disk at the job before, of which this one stores the difference; absent for a full. */
  readonly previous: DiskChain | undefined;
  /** Where the disk may differ from that; undefined: anywhere. */
  readonly changes: DiskChanges | undefined;
  readonly onProgress: (progress: DiskBackupProgress) => void;
  readonly signal: AbortSignal | undefined;
}

/** Writes and commits the disk's block file; the file counts for nothing until a manifest names it. */
export async function backupDisk(
  context: DiskContext,
  disk: SourceDisk,
  options: DiskBackupOptions,
): Promise<ChainFile> {
  checkSize(disk);
  const fileId = randomBytes(FILE_ID_BYTES);
  const id = fileId.toString('hex');
  const writer = await context.destination.create(blockFileName(context.setName, id));
  try {
    const file = new BlockFileWriter(context, fileId, writer, options.previous?.files.length ?? 0);
    await file.start();
    const backup = new DiskBackup(disk, file, options);
    const root = await backup.run();
    await file.finish(disk.sizeBytes, root);
    await writer.commit();
    return { fileId: id, sizeBytes: file.sizeBytes };
  } finally {
    await writer.abort();
  }
}

function checkSize(disk: SourceDisk): void {
  const { sizeBytes } = disk;
  if (
    Number.isSafeInteger(sizeBytes) &&
    sizeBytes > 0 &&
    sizeBytes <= MAX_DISK_BYTES &&
    sizeBytes % 512 === 0
  )
    return;
  throw new VaultError(
    'InvalidInput',
    `Disk ${disk.name} has ${sizeBytes} bytes; a disk has a multiple of 512, and at most ${MAX_DISK_BYTES}.`,
  );
}

/** Goes through the disk leaf by leaf and block by block, and decides what is stored. */
class DiskBackup {
  readonly #disk: SourceDisk;
  readonly #file: BlockFileWriter;
  readonly #options: DiskBackupOptions;
  readonly #leaves: number;
  readonly #index: IndexWriter;
  readonly #leaf = Buffer.alloc(PAGE_BYTES);
  readonly #digests = Buffer.alloc(PAGE_FANOUT * DIGEST_BYTES);
  #earlier: EarlierLeaf | undefined;
  /** Leaves that are in the index, or being filled as the last one of them. */
  #begun = 0;

  constructor(disk: SourceDisk, file: BlockFileWriter, options: DiskBackupOptions) {
    this.#disk = disk;
    this.#file = file;
    this.#options = options;
    const blocks = blockCount(disk.sizeBytes, BLOCK);
    this.#leaves = Math.ceil(blocks / PAGE_FANOUT);
    this.#index = new IndexWriter(
      rootLevelFor(blocks),
      (kind, number, plain, compress) => file.append(kind, number, plain, compress),
      options.previous,
    );
  }

  async run(): Promise<Pointer> {
    const { changes, signal, onProgress } = this.#options;
    let doneBytes = 0;
    let open: number | undefined;
    for await (const { offsetBytes, lengthBytes, bytes } of chunks(this.#disk, changes, signal)) {
      const firstBlock = offsetBytes / BLOCK;
      const leaf = Math.floor(firstBlock / PAGE_FANOUT);
      if (leaf !== open) {
        if (open !== undefined) await this.#closeLeaf();
        await this.#openLeaf(leaf);
        open = leaf;
      }
      await this.#addChunk(firstBlock, bytes);
      doneBytes += lengthBytes;
      onProgress({ doneBytes, storedBytes: this.#file.sizeBytes });
    }
    if (open !== undefined) await this.#closeLeaf();
    await this.#keepLeavesTo(this.#leaves);
    return this.#index.finish();
  }

  async #openLeaf(leafIndex: number): Promise<void> {
    await this.#keepLeavesTo(leafIndex);
    this.#begun += 1;
    const { previous, changes } = this.#options;
    this.#earlier = previous === undefined ? undefined : await loadEarlierLeaf(previous, leafIndex);
    this.#leaf.fill(0);
    if (changes === undefined) return;
    this.#earlier?.leaf.copy(this.#leaf);
    this.#earlier?.digests.copy(this.#digests);
  }

  /** What is not read is the earlier job's. */
  async #keepLeavesTo(end: number): Promise<void> {
    for (; this.#begun < end; this.#begun += 1) {
      this.#options.signal?.throwIfAborted();
      await this.#index.keepLeaf();
    }
  }

  async #addChunk(firstBlock: number, bytes: Buffer): Promise<void> {
    const allZero = isZero(bytes);
    for (let at = 0; at < bytes.byteLength; at += BLOCK) {
      const blockNumber = firstBlock + at / BLOCK;
      const pointer = allZero ? ABSENT : await this.#store(blockNumber, bytes.subarray(at, at + BLOCK));
      setBlock(this.#leaf, blockNumber, pointer);
    }
  }

  async #store(blockNumber: number, plain: Buffer): Promise<Pointer> {
    if (isZero(plain)) return ABSENT;
    const digest = hash('sha256', plain, 'buffer');
    const digestAt = (blockNumber % PAGE_FANOUT) * DIGEST_BYTES;
    digest.copy(this.#digests, digestAt);
    const earlier = blockIn(this.#earlier?.leaf, blockNumber);
    if (
      earlier.encoding !== Encoding.absent &&
      this.#earlier?.digests.compare(digest, 0, DIGEST_BYTES, digestAt, digestAt + DIGEST_BYTES) === 0
    ) {
      return earlier;
    }
    return this.#file.append(RecordKind.block, blockNumber, plain, true);
  }

  async #closeLeaf(): Promise<void> {
    await this.#index.addLeaf(this.#leaf, () => packDigests(this.#leaf, this.#digests));
  }
}

const BLOCK = DEFAULT_BLOCK_SIZE_BYTES;

interface EarlierLeaf {
  readonly leaf: Buffer;
  /** One place for each block of the leaf; those of blocks that are not stored are zeros. */
  readonly digests: Buffer;
}

async function loadEarlierLeaf(previous: DiskChain, leafIndex: number): Promise<EarlierLeaf | undefined> {
  const leaf = await previous.page(0, leafIndex);
  if (leaf === undefined) return undefined;
  const packed = await previous.digests(leafIndex, leaf);
  const digests = Buffer.alloc(PAGE_FANOUT * DIGEST_BYTES);
  let from = 0;
  for (let block = 0; block < PAGE_FANOUT; block += 1) {
    if (!isStored(leaf, block)) continue;
    packed.copy(digests, block * DIGEST_BYTES, from, from + DIGEST_BYTES);
    from += DIGEST_BYTES;
  }
  return { leaf, digests };
}

function packDigests(leaf: Buffer, digests: Buffer): Buffer {
  const packed: Buffer[] = [];
  for (let block = 0; block < PAGE_FANOUT; block += 1) {
    if (isStored(leaf, block))
      packed.push(digests.subarray(block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES));
  }
  return Buffer.concat(packed);
}

function isStored(leaf: Buffer, position: number): boolean {
  return leaf[position * POINTER_BYTES + 12] !== Encoding.absent;
}

function isZero(bytes: Buffer): boolean {
  return bytes.compare(ZEROS, 0, bytes.byteLength) === 0;
}

interface Chunk {
  readonly offsetBytes: number;
  /** Of the disk: `bytes` may be longer. */
  readonly lengthBytes: number;
  readonly bytes: Buffer;
}

/** The disk, or its changes, in order, in whole blocks; the last one is filled up with zeros. The bytes are valid until the next step. */
async function* chunks(
  disk: SourceDisk,
  changes: DiskChanges | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  const buffers = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)] as const;
  let turn: 0 | 1 = 0;
  let reading: Promise<Chunk> | undefined;
  try {
    for await (const piece of pieces(disk, changes)) {
      signal?.throwIfAborted();
      const ready: Chunk | undefined = await reading;
      // The buffer that is not handed out just now.
      reading = readChunk(disk, piece, buffers[turn]);
      reading.catch(() => undefined);
      turn = turn === 0 ? 1 : 0;
      if (ready !== undefined) yield ready;
    }
    if (reading !== undefined) yield await reading;
  } finally {
    await reading?.catch(() => undefined);
  }
}

/** What is read at once: whole blocks, none twice, within CHUNK_BYTES of the disk and so within a leaf. */
async function* pieces(disk: SourceDisk, changes: DiskChanges | undefined): AsyncGenerator<ByteRange> {
  const { name, sizeBytes } = disk;
  let done = 0;
  let before = 0;
  for await (const { offsetBytes, lengthBytes } of changes?.ranges() ?? [whole(disk)]) {
    if (offsetBytes < before) throw outOfOrder(name, offsetBytes, before);
    before = offsetBytes + lengthBytes;
    const end = Math.min(Math.ceil((offsetBytes + lengthBytes) / BLOCK) * BLOCK, sizeBytes);
    let at = Math.max(done, Math.floor(offsetBytes / BLOCK) * BLOCK);
    while (at < end) {
      const pieceEnd = Math.min(end, (Math.floor(at / CHUNK_BYTES) + 1) * CHUNK_BYTES);
      yield { offsetBytes: at, lengthBytes: pieceEnd - at };
      at = pieceEnd;
    }
    done = Math.max(done, end);
  }
}

function outOfOrder(name: string, offsetBytes: number, before: number): VaultError {
  const what = `The changes of disk ${name} are not in order: one at byte ${offsetBytes} follows one up to ${before}.`;
  return new VaultError('InvalidInput', what);
}

const whole = ({ sizeBytes }: SourceDisk): ByteRange => ({ offsetBytes: 0, lengthBytes: sizeBytes });

async function readChunk(disk: SourceDisk, piece: ByteRange, buffer: Buffer): Promise<Chunk> {
  const { offsetBytes, lengthBytes } = piece;
  await disk.read(offsetBytes, buffer.subarray(0, lengthBytes));
  const padded = Math.ceil(lengthBytes / BLOCK) * BLOCK;
  buffer.fill(0, lengthBytes, padded);
  return { offsetBytes, lengthBytes, bytes: buffer.subarray(0, padded) };
}

/** Gathers sealed records into large writes and knows where each lies. */
class BlockFileWriter {
  readonly #fileId: Uint8Array;
  readonly #sealer: RecordSealer;
  readonly #writer: DestinationWriter;
  readonly #slot: number;
  readonly #buffer = Buffer.alloc(WRITE_BUFFER_BYTES);
  #buffered = 0;
  #written = 0;

  constructor(context: DiskContext, fileId: Uint8Array, writer: DestinationWriter, slot: number) {
    this.#fileId = fileId;
    this.#sealer = new RecordSealer(context.setKey, fileId);
    this.#writer = writer;
    this.#slot = slot;
  }

  get sizeBytes(): number {
    return this.#written + this.#buffered;
  }

  async start(): Promise<void> {
    await this.#put(encodeHeader(this.#fileId, BLOCK));
  }

  async append(kind: number, number: number, plain: Uint8Array, compress: boolean): Promise<Pointer> {
    const record = this.#sealer.seal(kind, number, plain, compress);
    const offsetBytes = this.sizeBytes;
    const storedBytes = record.ciphertext.byteLength + TAG_BYTES;
    if (this.#buffered + storedBytes > WRITE_BUFFER_BYTES) await this.#flush();
    this.#copy(record.ciphertext);
    this.#copy(record.tag);
    return { slot: this.#slot, offsetBytes, storedBytes, encoding: record.encoding };
  }

  async finish(diskSizeBytes: number, root: Pointer): Promise<void> {
    const rootLevel = rootLevelFor(blockCount(diskSizeBytes, BLOCK));
    const footer = encodeFooter({ diskSizeBytes, blockSizeBytes: BLOCK, slot: this.#slot, rootLevel, root });
    await this.append(RecordKind.footer, 0, footer, false);
    await this.#put(encodeEndMark());
    await this.#flush();
  }

  async #put(bytes: Uint8Array): Promise<void> {
    if (this.#buffered + bytes.byteLength > WRITE_BUFFER_BYTES) await this.#flush();
    this.#copy(bytes);
  }

  #copy(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.byteLength;
  }

  async #flush(): Promise<void> {
    await this.#writer.append(this.#buffer.subarray(0, this.#buffered));
    this.#written += this.#buffered;
    this.#buffered = 0;
  }
}

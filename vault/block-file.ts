// One block file opened for reading: header and footer are checked when it is opened, every record when it is
// read. It says in its errors which file, which disk and which bytes of the disk are concerned.
import {
  blockCount,
  checkEndMark,
  checkHeader,
  decodeFooter,
  FOOTER_PLAIN_BYTES,
  FOOTER_RECORD_BYTES,
  type Footer,
  HEADER_BYTES,
  MAX_BLOCK_SIZE_BYTES,
  MIN_BLOCK_SIZE_BYTES,
  PAGE_FANOUT,
  type Pointer,
  rootLevelFor,
  TAIL_BYTES,
} from './block-file-format.ts';
import type { ChainFile } from './job-manifest.ts';
import { blockFileName } from './object-names.ts';
import type { Destination, DestinationReader } from './ports.ts';
import { Encoding, RecordKind, RecordSealer } from './sealing.ts';
import { messageOf, VaultError } from './vault-error.ts';

/** Which disk a file belongs to, for finding and for naming it. */
export interface DiskContext {
  readonly destination: Destination;
  readonly setName: string;
  readonly setKey: Uint8Array;
  readonly vmName: string;
  readonly diskName: string;
}

export class BlockFile {
  readonly footer: Footer;
  readonly #name: string;
  readonly #context: DiskContext;
  readonly #reader: DestinationReader;
  readonly #sealer: RecordSealer;

  private constructor(
    name: string,
    context: DiskContext,
    reader: DestinationReader,
    sealer: RecordSealer,
    footer: Footer,
  ) {
    this.#name = name;
    this.#context = context;
    this.#reader = reader;
    this.#sealer = sealer;
    this.footer = footer;
  }

  /** Throws VaultError: ChainBroken (missing, or of another size), BlockCorrupt, FormatUnsupported, DestinationUnavailable. */
  static async open(context: DiskContext, file: ChainFile, slot: number): Promise<BlockFile> {
    const name = blockFileName(context.setName, file.fileId);
    const reader = await context.destination.open(name);
    if (reader === undefined) throw await missingFile(context, name);
    try {
      if (reader.sizeBytes !== file.sizeBytes || file.sizeBytes < HEADER_BYTES + TAIL_BYTES) {
        throw wrongSize(context, name, file.sizeBytes, reader.sizeBytes);
      }
      const sealer = new RecordSealer(context.setKey, Buffer.from(file.fileId, 'hex'));
      const footer = await readFooter(reader, sealer, file);
      if (footer.slot !== slot) throw new Error(`it is file ${footer.slot} of its chain, not ${slot}`);
      return new BlockFile(name, context, reader, sealer, footer);
    } catch (error) {
      await reader.close();
      if (error instanceof VaultError) throw error;
      throw new VaultError(
        'BlockCorrupt',
        `${where(context, name)} can't be opened: ${messageOf(error)}. ${WAY_OUT}`,
        { cause: error },
      );
    }
  }

  /** The plain bytes of one block. */
  async readBlock(blockNumber: number, pointer: Pointer): Promise<Buffer> {
    const size = this.footer.blockSizeBytes;
    return this.#readRecord(RecordKind.block, blockNumber, pointer, size, () => {
      return `block ${blockNumber} (${byteRange(blockNumber * size, size, this.footer.diskSizeBytes)})`;
    });
  }

  /** A page of the index, or the digests of a leaf. */
  async readPage(
    kind: number,
    index: number,
    level: number,
    pointer: Pointer,
    bytes: number,
  ): Promise<Buffer> {
    const covered = this.footer.blockSizeBytes * PAGE_FANOUT ** (level + 1);
    return this.#readRecord(kind, index, pointer, bytes, () => {
      const what = kind === RecordKind.digestPage ? 'the digest page' : 'the index page';
      return `${what} of ${byteRange(index * covered, covered, this.footer.diskSizeBytes)}`;
    });
  }

  /** Throws when a block or page was read that is not what the index says of it. */
  corrupt(blockNumber: number, problem: string): VaultError {
    const size = this.footer.blockSizeBytes;
    const range = byteRange(blockNumber * size, size, this.footer.diskSizeBytes);
    return this.#corrupt(`block ${blockNumber} (${range})`, problem);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  async #readRecord(
    kind: number,
    number: number,
    pointer: Pointer,
    plainBytes: number,
    what: () => string,
  ): Promise<Buffer> {
    if (pointer.storedBytes > plainBytes + FOOTER_RECORD_BYTES) {
      throw this.#corrupt(what(), `its index gives it ${pointer.storedBytes} bytes`);
    }
    const record = await this.#reader.read(pointer.offsetBytes, pointer.storedBytes);
    if (record.byteLength !== pointer.storedBytes) {
      throw this.#corrupt(
        what(),
        `the file ends after ${record.byteLength} of its ${pointer.storedBytes} bytes`,
      );
    }
    try {
      return this.#sealer.open(kind, number, pointer.encoding, plainBytes, record);
    } catch (error) {
      throw this.#corrupt(what(), 'it does not authenticate', error);
    }
  }

  #corrupt(what: string, problem: string, cause?: unknown): VaultError {
    const { vmName, diskName } = this.#context;
    return new VaultError(
      'BlockCorrupt',
      `${what} of disk ${diskName} of ${vmName} in ${this.#name} is damaged: ${problem}. ${WAY_OUT}`,
      { cause },
    );
  }
}

const WAY_OUT = 'Use an earlier job of an undamaged chain, or bring the file back from a copy of the vault.';

async function readFooter(reader: DestinationReader, sealer: RecordSealer, file: ChainFile): Promise<Footer> {
  const [header, tail] = await Promise.all([
    reader.read(0, HEADER_BYTES),
    reader.read(file.sizeBytes - TAIL_BYTES, TAIL_BYTES),
  ]);
  checkEndMark(tail);
  const record = tail.subarray(0, FOOTER_RECORD_BYTES);
  let plain: Buffer;
  try {
    plain = sealer.open(RecordKind.footer, 0, Encoding.raw, FOOTER_PLAIN_BYTES, record);
  } catch (error) {
    throw new Error('the footer does not authenticate', { cause: error });
  }
  const footer = decodeFooter(plain);
  const { blockSizeBytes, diskSizeBytes, rootLevel } = footer;
  const sizeFits = blockSizeBytes >= MIN_BLOCK_SIZE_BYTES && blockSizeBytes <= MAX_BLOCK_SIZE_BYTES;
  if (!sizeFits || rootLevel !== rootLevelFor(blockCount(diskSizeBytes, blockSizeBytes))) {
    throw new VaultError(
      'FormatUnsupported',
      `Block size ${blockSizeBytes} with index level ${rootLevel} is not supported.`,
    );
  }
  checkHeader(header, Buffer.from(file.fileId, 'hex'), blockSizeBytes);
  return footer;
}

/** A file that is not there: the chain is broken, unless the whole vault is out of reach just now. */
export async function missingFile(context: DiskContext, name: string): Promise<VaultError> {
  const marker = await context.destination.get('vault.json', 64 * 1024);
  if (marker === undefined) {
    return new VaultError(
      'DestinationUnavailable',
      `The vault is no longer at ${context.destination.location}. Is it mounted?`,
    );
  }
  return new VaultError('ChainBroken', `${where(context, name)} is missing. ${WAY_OUT}`);
}

export function wrongSize(context: DiskContext, name: string, expected: number, found: number): VaultError {
  return new VaultError(
    'ChainBroken',
    `${where(context, name)} has ${found} bytes and was written with ${expected}. ${WAY_OUT}`,
  );
}

function where(context: DiskContext, name: string): string {
  return `${name}, which disk ${context.diskName} of ${context.vmName} needs,`;
}

function byteRange(offsetBytes: number, lengthBytes: number, diskSizeBytes: number): string {
  return `bytes ${offsetBytes}–${Math.min(offsetBytes + lengthBytes, diskSizeBytes) - 1}`;
}

// The read-only view of one disk at one job. A read is split at block borders; what is zeros is filled without
// I/O, what is cached is copied at once, the rest is read, authenticated and decoded side by side.
import { decodePointer, positionInPage } from './block-file-format.ts';
import type { DiskChain } from './disk-chain.ts';
import type { Image } from './ports.ts';
import { Encoding } from './sealing.ts';
import { VaultError } from './vault-error.ts';

export class ChainImage implements Image {
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  readonly #chain: DiskChain;
  readonly #reads = new Set<Promise<void>>();
  #closed = false;

  constructor(chain: DiskChain) {
    this.#chain = chain;
    this.sizeBytes = chain.footer.diskSizeBytes;
    this.blockSizeBytes = chain.footer.blockSizeBytes;
  }

  async read(offsetBytes: number, into: Uint8Array): Promise<void> {
    this.#check(offsetBytes, into.byteLength);
    const pending: Promise<void>[] = [];
    let done = 0;
    while (done < into.byteLength) {
      const blockNumber = Math.floor((offsetBytes + done) / this.blockSizeBytes);
      const start = offsetBytes + done - blockNumber * this.blockSizeBytes;
      const length = Math.min(this.blockSizeBytes - start, into.byteLength - done);
      const waiting = this.#readPart(blockNumber, start, into.subarray(done, done + length));
      if (waiting !== undefined) pending.push(waiting);
      done += length;
    }
    if (pending.length > 0) await this.#track(settle(pending));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#reads);
    await this.#chain.close();
  }

  /** Fills `into` at once where it can. */
  #readPart(blockNumber: number, start: number, into: Uint8Array): Promise<void> | undefined {
    const leaf = this.#chain.leafFor(blockNumber);
    if (leaf instanceof Promise) return this.#readSlowly(leaf, blockNumber, start, into);
    return this.#fill(leaf, blockNumber, start, into);
  }

  async #readSlowly(
    loading: Promise<Buffer | undefined>,
    blockNumber: number,
    start: number,
    into: Uint8Array,
  ): Promise<void> {
    await this.#fill(await loading, blockNumber, start, into);
  }

  #fill(
    leaf: Buffer | undefined,
    blockNumber: number,
    start: number,
    into: Uint8Array,
  ): Promise<void> | undefined {
    const pointer = leaf === undefined ? undefined : decodePointer(leaf, positionInPage(blockNumber));
    if (pointer === undefined || pointer.encoding === Encoding.absent) {
      into.fill(0);
      return undefined;
    }
    const cached = this.#chain.cachedBlock(blockNumber, pointer);
    if (cached !== undefined) {
      copyPart(cached, start, into);
      return undefined;
    }
    return this.#chain.block(blockNumber, pointer).then((plain) => copyPart(plain, start, into));
  }

  async #track(reading: Promise<void>): Promise<void> {
    this.#reads.add(reading);
    try {
      await reading;
    } finally {
      this.#reads.delete(reading);
    }
  }

  #check(offsetBytes: number, lengthBytes: number): void {
    if (this.#closed) {
      throw new VaultError('DestinationUnavailable', 'The image was closed. Open it again to read on.');
    }
    if (!Number.isSafeInteger(offsetBytes) || offsetBytes < 0 || offsetBytes + lengthBytes > this.sizeBytes) {
      throw new VaultError(
        'InvalidInput',
        `A read of ${lengthBytes} bytes at ${offsetBytes} is beyond the disk's ${this.sizeBytes} bytes.`,
      );
    }
  }
}

/** Waits for all, so that nothing writes into the caller's bytes any more; then throws the first failure. */
async function settle(pending: readonly Promise<void>[]): Promise<void> {
  if (pending.length === 1) return pending[0];
  for (const outcome of await Promise.allSettled(pending)) {
    if (outcome.status === 'rejected') throw outcome.reason as Error;
  }
}

function copyPart(plain: Buffer, start: number, into: Uint8Array): void {
  into.set(plain.subarray(start, start + into.byteLength));
}

// A session's images, opened when they are first read and kept open. A destination that does not answer is waited
// for: the read is tried again, slower each time, up to a deadline below the 140 s after which ESXi gives a datastore
// up. Meanwhile the request is simply held, as a hard mount expects; then it is answered JUKEBOX (try later), never an
// I/O error, which the guest would believe. Damage is an I/O error at once: waiting does not mend it.
import { setTimeout as delay } from 'node:timers/promises';
import { Nfs3Error, Nfs3Status } from '../nfs/index.ts';
import { type Image, VaultError, type VaultErrorCode, type VmAtJob } from '../vault/index.ts';
import { messageOf } from './gateway-error.ts';

/** Below ESXi's 140 s, with room for the way there and back. */
const READ_DEADLINE_MS = 120_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/** What no waiting mends. Everything else can be a disk that is not mounted or a server that restarts. */
const PERMANENT = new Set<VaultErrorCode>([
  'BlockCorrupt',
  'KeyRejected',
  'FormatUnsupported',
  'InvalidInput',
]);

export interface ImageFaults {
  readonly stalledSince: string | undefined;
  readonly lastError: string | undefined;
}

interface Opened {
  readonly vm: VmAtJob;
  readonly images: Map<string, Promise<Image>>;
}

export interface VaultImagesOptions {
  readonly open: () => Promise<VmAtJob>;
  /** Told once per fault, not once per try. */
  readonly onFault: (message: string) => void;
  readonly deadlineMs?: number;
}

export class VaultImages {
  readonly #options: VaultImagesOptions;
  readonly #closed = new AbortController();
  #opened: Promise<Opened> | undefined;
  #stalledReads = 0;
  #stalledSince: string | undefined;
  #lastError: string | undefined;

  constructor(options: VaultImagesOptions) {
    this.#options = options;
  }

  faults(): ImageFaults {
    return { stalledSince: this.#stalledSince, lastError: this.#lastError };
  }

  /** Fills `into`. Throws Nfs3Error: JUKEBOX after the deadline and once closed, IO for damage. */
  async read(diskName: string, offsetBytes: number, into: Uint8Array): Promise<void> {
    const opened = this.#open();
    try {
      await (await this.#image(await opened, diskName)).read(offsetBytes, into);
    } catch (error) {
      this.#assertPassing(error);
      await this.#reopen(opened);
      await this.#readStalled(diskName, offsetBytes, into, error);
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#reopen(this.#opened);
  }

  async #readStalled(diskName: string, offsetBytes: number, into: Uint8Array, first: unknown): Promise<void> {
    this.#beginStall(messageOf(first));
    const deadlineMs = performance.now() + (this.#options.deadlineMs ?? READ_DEADLINE_MS);
    let last = first;
    try {
      for (
        let waitMs = FIRST_RETRY_MS;
        performance.now() < deadlineMs;
        waitMs = Math.min(2 * waitMs, LONGEST_RETRY_MS)
      ) {
        await this.#wait(waitMs);
        const opened = this.#open();
        try {
          await (await this.#image(await opened, diskName)).read(offsetBytes, into);
          return;
        } catch (error) {
          this.#assertPassing(error);
          await this.#reopen(opened);
          last = error;
          this.#lastError = messageOf(error);
        }
      }
    } finally {
      this.#endStall();
    }
    throw new Nfs3Error(Nfs3Status.JUKEBOX, messageOf(last), { cause: last });
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#options.open().then((vm) => ({ vm, images: new Map() }));
    return this.#opened;
  }

  #image({ vm, images }: Opened, diskName: string): Promise<Image> {
    let image = images.get(diskName);
    if (image === undefined) {
      image = vm.openImage(diskName);
      images.set(diskName, image);
    }
    return image;
  }

  /** Lets go of what failed, once, so that the next read opens it anew. */
  async #reopen(failed: Promise<Opened> | undefined): Promise<void> {
    if (failed === undefined || this.#opened !== failed) return;
    this.#opened = undefined;
    // What can't be opened needs no close; why it could not is with the read that found out.
    const opened = await failed.catch(() => undefined);
    await opened?.vm.close().catch((error: unknown) => this.#options.onFault(messageOf(error)));
  }

  async #wait(waitMs: number): Promise<void> {
    await delay(waitMs, undefined, { signal: this.#closed.signal }).catch(() => undefined);
    if (this.#closed.signal.aborted) throw new Nfs3Error(Nfs3Status.JUKEBOX, 'The export was closed.');
  }

  #assertPassing(error: unknown): void {
    if (this.#closed.signal.aborted) throw new Nfs3Error(Nfs3Status.JUKEBOX, 'The export was closed.');
    if (error instanceof Nfs3Error) throw error;
    if (error instanceof VaultError && !PERMANENT.has(error.code)) return;
    const message = messageOf(error);
    if (this.#lastError !== message) this.#options.onFault(message);
    this.#lastError = message;
    throw new Nfs3Error(Nfs3Status.IO, message, { cause: error });
  }

  #beginStall(message: string): void {
    this.#lastError = message;
    this.#stalledReads += 1;
    if (this.#stalledSince !== undefined) return;
    this.#stalledSince = new Date().toISOString();
    this.#options.onFault(message);
  }

  #endStall(): void {
    this.#stalledReads -= 1;
    if (this.#stalledReads === 0) this.#stalledSince = undefined;
  }
}

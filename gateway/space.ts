// The room that sessions' changes may take: what is free of it, and what of that is promised to exports and not used
// yet. Asking reserves nothing; what the registry keeps of an export is what is promised to it.
import { statfs } from 'node:fs/promises';
import { type FileSystemTotals } from '../nfs/index.ts';
import { bytesText } from './bytes-text.ts';
import { type GatewayStatus, type SpaceAnswer, type SpaceRequest } from './control-api.ts';
import { GatewayError } from './gateway-error.ts';
import { PAGE_BYTES } from './overlay/index.ts';
import { type ExportEntry, type Registry } from './registry.ts';

/** Beside the reservation: the log of a VM whose every page was written once is a little larger than the VM. */
const MIN_RESERVED_BYTES = 64 * 1024 ** 2;
/** Files that FSSTAT tells; no host runs into it. */
const TOTAL_FILES = 1_000_000;

export interface SpaceOptions {
  readonly stateDirectory: string;
  /** The most that changes may take, however large the file system is. */
  readonly limitBytes: number;
  readonly registry: Pick<Registry, 'exports'>;
  /** What an export's changes take on disk; 0 where they are not open. */
  readonly usedBytes: (sessionId: string) => number;
}

/** What is promised to the changes of a VM, in bytes. */
export function reservationOf({ provisionedBytes, reserveFactor }: SpaceRequest): number {
  return Math.max(MIN_RESERVED_BYTES, Math.ceil(provisionedBytes * reserveFactor));
}

export class Space {
  readonly #options: SpaceOptions;

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /** What changes may take, and of it what is free; `reservedBytes` is promised to exports and not used yet. */
  async status(): Promise<GatewayStatus['space']> {
    const { stateDirectory, limitBytes, registry, usedBytes } = this.#options;
    const { bsize, blocks, bavail } = await statfs(stateDirectory);
    const used = registry.exports().reduce((sum, { request }) => sum + usedBytes(request.sessionId), 0);
    return {
      totalBytes: Math.min(blocks * bsize, limitBytes),
      freeBytes: Math.max(0, Math.min(bavail * bsize, limitBytes - used)),
      reservedBytes: this.#unused(() => true),
    };
  }

  /** Whether what is asked for would fit now. */
  async ask(request: SpaceRequest): Promise<SpaceAnswer> {
    const neededBytes = reservationOf(request);
    const availableBytes = await this.#availableBytes();
    return { neededBytes, availableBytes, fits: neededBytes <= availableBytes };
  }

  /** Throws StorageFull where the changes of one more VM don't fit. */
  async assertFits(request: SpaceRequest): Promise<void> {
    const { neededBytes, availableBytes, fits } = await this.ask(request);
    if (fits) return;
    const { provisionedBytes, reserveFactor } = request;
    throw new GatewayError(
      'StorageFull',
      `The session's changes need ${bytesText(neededBytes)} (${reserveFactor} × ${bytesText(provisionedBytes)} provisioned) in ` +
        `${this.#options.stateDirectory}, where ${bytesText(availableBytes)} are free and not reserved for others: ` +
        `${bytesText(neededBytes - availableBytes)} are missing. Make room there (or give the gateway more: --space), stop another session, ` +
        'or lower the factor.',
    );
  }

  /** Throws StorageFull where so many bytes more can't be promised to an export. */
  async assertRoom(missingBytes: number): Promise<void> {
    const availableBytes = await this.#availableBytes();
    if (missingBytes <= availableBytes) return;
    throw new GatewayError(
      'StorageFull',
      `${bytesText(missingBytes)} more are needed in ${this.#options.stateDirectory}, where ${bytesText(availableBytes)} are free ` +
        'and not reserved for others. Make room there (or give the gateway more: --space).',
    );
  }

  /** What a target's hosts see as their datastore's size and free space: others' reservations are not free. Never 0. */
  async totals(targetId: string): Promise<FileSystemTotals> {
    const { totalBytes, freeBytes } = await this.status();
    const others = this.#unused(({ request }) => request.targetId !== targetId);
    return {
      totalBytes: Math.max(PAGE_BYTES, totalBytes),
      freeBytes: Math.max(PAGE_BYTES, freeBytes - others),
      totalFiles: TOTAL_FILES,
      freeFiles: TOTAL_FILES,
    };
  }

  /** Free, and not promised to an export. */
  async #availableBytes(): Promise<number> {
    const { freeBytes, reservedBytes } = await this.status();
    return Math.max(0, freeBytes - reservedBytes);
  }

  #unused(of: (entry: ExportEntry) => boolean): number {
    const { registry, usedBytes } = this.#options;
    return registry
      .exports()
      .filter(of)
      .reduce(
        (sum, { reservedBytes, request }) => sum + Math.max(0, reservedBytes - usedBytes(request.sessionId)),
        0,
      );
  }
}

// What a gateway must know after a restart: which shares and exports there are, with their numbers; and which
// sessions were dropped. Keys are not here (secrets/), changes neither (overlay/).
import { randomInt } from 'node:crypto';
import { access, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { publishRequestSchema } from './control-api.ts';
import { MAX_VOLUMES } from './file-handle.ts';
import { GatewayError } from './gateway-error.ts';
import { StateFile, syncDirectory } from './state-file.ts';

const shareSchema = z.object({
  targetId: z.string(),
  /** Of the share's root: for good, so that its handle stays the same. */
  volume: z.number().int(),
  /** Files at the root get no number below this; grows when the root's files are deleted. */
  firstId: z.number().int(),
});

/** The request without its secret. */
const storedRequestSchema = publishRequestSchema.extend({
  source: publishRequestSchema.shape.source.omit({ setKey: true }),
});
export type StoredRequest = z.infer<typeof storedRequestSchema>;

/** See fence.ts. */
const fenceSchema = z.object({
  keep: z.array(z.string()),
  fileIds: z.array(z.number().int()),
  /** The new VM has run: it is never lifted. */
  isFinal: z.boolean(),
});
export type FenceEntry = z.infer<typeof fenceSchema>;

const exportSchema = z.object({
  request: storedRequestSchema,
  volume: z.number().int(),
  /** `publishing`: a crash undoes it. */
  state: z.enum(['publishing', 'published']),
  publishedAt: z.string(),
  /** The job that was meant: `latest` would be another one tomorrow. */
  jobId: z.string(),
  vmxName: z.string(),
  disks: z.array(z.object({ name: z.string(), sizeBytes: z.number().int() })),
  provisionedBytes: z.number().int(),
  reservedBytes: z.number().int(),
  fence: fenceSchema.optional(),
  /** Bytes a second; see read-limit.ts. */
  readLimit: z.number().nonnegative().optional(),
});
export type ExportEntry = z.infer<typeof exportSchema>;

const registrySchema = z.object({
  version: z.literal(1),
  instance: z.number().int(),
  nextVolume: z.number().int(),
  shares: z.array(shareSchema),
  exports: z.array(exportSchema),
});
type RegistryState = z.infer<typeof registrySchema>;
export type ShareEntry = z.infer<typeof shareSchema>;

/** Numbers below are spared: a share's root has id 1. */
const FIRST_FILE_ID = 2;
const MAX_INSTANCE = 2 ** 32;

export class Registry {
  readonly #file: StateFile<RegistryState>;
  readonly #droppedDirectory: string;

  private constructor(file: StateFile<RegistryState>, droppedDirectory: string) {
    this.#file = file;
    this.#droppedDirectory = droppedDirectory;
  }

  static async open(stateDirectory: string): Promise<Registry> {
    const file = await StateFile.open(join(stateDirectory, 'registry.json'), registrySchema, () => ({
      version: 1 as const,
      instance: randomInt(MAX_INSTANCE),
      nextVolume: 1,
      shares: [],
      exports: [],
    }));
    return new Registry(file, join(stateDirectory, 'dropped'));
  }

  /** In every file handle. */
  get instance(): number {
    return this.#file.value.instance;
  }

  exports(): readonly ExportEntry[] {
    return this.#file.value.exports;
  }

  export(sessionId: string): ExportEntry | undefined {
    return this.exports().find(({ request }) => request.sessionId === sessionId);
  }

  shares(): readonly ShareEntry[] {
    return this.#file.value.shares;
  }

  share(targetId: string): ShareEntry | undefined {
    return this.#file.value.shares.find((share) => share.targetId === targetId);
  }

  /**
   * Adds an export, in state `publishing`, with a volume of its own and its target's share. `check` runs while
   * nobody else adds one, and refuses by throwing.
   */
  async add(entry: Omit<ExportEntry, 'volume' | 'state'>, check: () => Promise<void>): Promise<ExportEntry> {
    let added: ExportEntry | undefined;
    await this.#file.update(async (state) => {
      await check();
      const { targetId } = entry.request;
      const known = state.shares.some((share) => share.targetId === targetId);
      const share = { targetId, volume: state.nextVolume, firstId: FIRST_FILE_ID };
      const volume = state.nextVolume + (known ? 0 : 1);
      if (volume > MAX_VOLUMES)
        throw new GatewayError(
          'Unexpected',
          `${MAX_VOLUMES} sessions were published: use a new state folder.`,
        );
      added = { ...entry, volume, state: 'publishing' };
      return {
        ...state,
        nextVolume: volume + 1,
        shares: known ? state.shares : [...state.shares, share],
        exports: [...state.exports, added],
      };
    });
    if (added === undefined) throw new GatewayError('Unexpected', 'The export was not added.');
    return added;
  }

  async markPublished(volume: number): Promise<void> {
    await this.#file.update((state) => withExport(state, volume, { state: 'published' }));
  }

  async setFence(volume: number, fence: FenceEntry | undefined): Promise<void> {
    await this.#file.update((state) => withExport(state, volume, { fence }));
  }

  async setReadLimit(volume: number, readLimit: number | undefined): Promise<void> {
    await this.#file.update((state) => withExport(state, volume, { readLimit }));
  }

  /** `check` runs while nobody else reserves, and refuses by throwing. */
  async setReserved(volume: number, reservedBytes: number, check: () => Promise<void>): Promise<void> {
    await this.#file.update(async (state) => {
      await check();
      return withExport(state, volume, { reservedBytes });
    });
  }

  async removeExport(volume: number): Promise<void> {
    await this.#file.update((state) => ({
      ...state,
      exports: state.exports.filter((entry) => entry.volume !== volume),
    }));
  }

  /** Before a share's root is deleted: its next files get later numbers. */
  async raiseFirstId(targetId: string, firstId: number): Promise<void> {
    await this.#file.update((state) => ({
      ...state,
      shares: state.shares.map((share) =>
        share.targetId === targetId ? { ...share, firstId: Math.max(share.firstId, firstId) } : share,
      ),
    }));
  }

  /** From now on, through every crash, the session is dropped. */
  async markDropped(sessionId: string): Promise<void> {
    const file = await open(join(this.#droppedDirectory, sessionId), 'a', 0o600);
    await file.sync();
    await file.close();
    await syncDirectory(this.#droppedDirectory);
  }

  async isDropped(sessionId: string): Promise<boolean> {
    return access(join(this.#droppedDirectory, sessionId)).then(
      () => true,
      () => false,
    );
  }
}

/** The state in which one export has changed. */
function withExport(state: RegistryState, volume: number, changed: Partial<ExportEntry>): RegistryState {
  const exports = state.exports.map((entry) => (entry.volume === volume ? { ...entry, ...changed } : entry));
  return { ...state, exports };
}

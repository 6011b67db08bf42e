// Exports, from the request that publishes one to the last trace of it being gone. What is promised:
// - publishing the same twice is publishing once; a session that was dropped is never published again;
// - the space is reserved in the same step that makes the export known, so that parallel starts can't all pass;
// - a crash at any point leaves a publish that is undone at the next start, or a drop that is finished;
// - after a restart every export is back, with the same handles, and without the destination being asked.
import { isDeepStrictEqual } from 'node:util';
import { type Log } from '../nfs/index.ts';
import { type VmAtJob } from '../vault/index.ts';
import { AddressList } from './address-list.ts';
import {
  type ExportFile,
  type ExportStatus,
  type PublishedExport,
  type PublishRequest,
} from './control-api.ts';
import { filesBehind, VolumeFence } from './fence.ts';
import { asGatewayError, GatewayError, messageOf } from './gateway-error.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { type FrozenView, type Overlay } from './overlay/index.ts';
import { type PublishedVm, publishedVm } from './published-vm.ts';
import { HeldReads, ReadLimit } from './read-limit.ts';
import { type ExportEntry, type Registry, type StoredRequest } from './registry.ts';
import { ShareRoots } from './share-roots.ts';
import { type Share, Shares, type Volume } from './shares.ts';
import { reservationOf, Space } from './space.ts';
import { VaultImages } from './vault-images.ts';
import { type VolumeStore } from './volume-store.ts';
import { WriteCounts } from './write-counts.ts';

/** What content costs in an overlay, at the most. */
const ROOM_FACTOR = 1.1;
/** Exports that are restored at once. */
const RESTORE_CONCURRENCY = 4;
const FILE_MODE = 0o600;
const READ_ONLY_MODE = 0o444;

/** Opens a VM as it was at a job. Throws VaultError. */
export type OpenVm = (source: StoredRequest['source'], setKey: Uint8Array) => Promise<VmAtJob>;

export interface ExportsOptions {
  readonly stateDirectory: string;
  readonly registry: Registry;
  readonly volumes: VolumeStore;
  readonly openVm: OpenVm;
  /** What hosts are told to mount. */
  readonly advertise: string;
  /** The most that changes may take, however large the file system is. */
  readonly spaceLimitBytes: number;
  readonly log: Log;
}

interface LiveExport {
  readonly entry: ExportEntry;
  readonly images: VaultImages | undefined;
  readonly overlay: Overlay | undefined;
  /** Why it could not be restored, or why it takes no more writes. */
  problem: string | undefined;
}

/** A session's files as they were at one moment; who has it ends the view. */
export interface FrozenExport {
  readonly entry: ExportEntry;
  readonly view: FrozenView;
  /** The backup under it, to be closed, and the key of its set. */
  readonly openBackup: () => Promise<{ readonly vm: VmAtJob; readonly setKey: Uint8Array }>;
}

export class Exports {
  readonly shares = new Shares();
  readonly space: Space;
  readonly #options: ExportsOptions;
  readonly #live = new Map<string, LiveExport>();
  readonly #perSession = new KeyedQueue();
  readonly #heldReads = new HeldReads();
  readonly #roots: ShareRoots;

  constructor(options: ExportsOptions) {
    this.#options = options;
    const { stateDirectory, spaceLimitBytes, registry, volumes, log } = options;
    this.space = new Space({
      ...{ stateDirectory, registry, limitBytes: spaceLimitBytes },
      usedBytes: (sessionId) => this.#live.get(sessionId)?.overlay?.diskBytes ?? 0,
    });
    this.#roots = new ShareRoots({ registry, volumes, shares: this.shares, heldReads: this.#heldReads, log });
  }

  get count(): number {
    return this.#live.size;
  }

  /** At start: finishes drops, undoes what was being published, and puts every other export back on view. */
  async restore(): Promise<void> {
    const { registry } = this.#options;
    const waiting = [...registry.exports()];
    const worker = async (): Promise<void> => {
      for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift())
        await this.#restore(entry);
    };
    await Promise.all(Array.from({ length: RESTORE_CONCURRENCY }, worker));
    // A share whose last export was dropped just before a crash may have left its root's files.
    for (const { targetId } of registry.shares()) await this.#roots.removeUnused(targetId);
  }

  /** Throws GatewayError: ExportDropped, ExportConflict, StorageFull, InvalidInput, and the vault's. */
  publish(request: PublishRequest): Promise<PublishedExport> {
    return this.#perSession.run(request.sessionId, async () => {
      const { registry } = this.#options;
      if (await registry.isDropped(request.sessionId)) throw dropped(request.sessionId);
      const existing = registry.export(request.sessionId);
      if (existing?.state === 'published') return this.#same(existing, request);
      try {
        // What an earlier attempt began and could not undo, on a full disk for one.
        if (existing !== undefined) await this.#remove(existing);
        return await this.#publish(request);
      } catch (error) {
        throw asGatewayError(error);
      }
    });
  }

  /** Runs `body` while nobody drops the session's export. Throws ExportDropped once somebody has. */
  unlessDropped<T>(sessionId: string, body: () => Promise<T>): Promise<T> {
    return this.#perSession.run(sessionId, async () => {
      if (await this.#options.registry.isDropped(sessionId)) throw dropped(sessionId);
      return body();
    });
  }

  /** Takes the export off view and deletes it: files, changes, keys. Nothing of it comes back. */
  drop(sessionId: string): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const { registry } = this.#options;
      await registry.markDropped(sessionId);
      const entry = registry.export(sessionId);
      if (entry !== undefined) await this.#remove(entry);
    });
  }

  /**
   * From the answer on, and through every crash, only the files named in `keep` (plain names in the session's
   * directory) and those made later are served. Repeatable. Throws NotFound, InvalidInput, ExportConflict.
   */
  fence(sessionId: string, keep: readonly string[]): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const { entry, volume } = this.#onView(sessionId);
      if (entry.fence !== undefined) {
        if (isDeepStrictEqual([...entry.fence.keep].sort(), [...keep].sort())) return;
        const kept = entry.fence.keep.join(', ');
        throw new GatewayError('ExportConflict', `Session ${sessionId} is fenced already, but for ${kept}.`);
      }
      const fileIds = filesBehind(volume.overlay, keep);
      await this.#options.registry.setFence(entry.volume, { keep: [...keep], fileIds, isFinal: false });
      volume.fence.raise(fileIds);
      // What was let in before has its answer before who fenced has.
      await volume.overlay.commit();
    });
  }

  /** Nobody lifts the fence any more: the new VM has run. Repeatable. Throws NotFound where there is no fence. */
  sealFence(sessionId: string): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const { entry } = this.#onView(sessionId);
      const { fence } = entry;
      if (fence === undefined) throw new GatewayError('NotFound', `Session ${sessionId} is not fenced.`);
      if (!fence.isFinal) {
        await this.#options.registry.setFence(entry.volume, { ...fence, isFinal: true });
      }
    });
  }

  /** All is served as before. None is done. Throws NotFound; FenceFinal after `sealFence`. */
  liftFence(sessionId: string): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const { entry, volume } = this.#onView(sessionId);
      if (entry.fence === undefined) return;
      if (entry.fence.isFinal) {
        throw new GatewayError(
          'FenceFinal',
          `The VM of session ${sessionId} has run from production: its old files are never served again.`,
        );
      }
      await this.#options.registry.setFence(entry.volume, undefined);
      volume.fence.lift();
    });
  }

  /**
   * Sees to it that hosts can write so many bytes more into the session's directory, beside what its guest changes: a
   * suspended VM's memory. Reserves what is missing. Throws NotFound; StorageFull, with nothing changed.
   */
  makeRoom(sessionId: string, bytes: number): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const { entry, volume } = this.#onView(sessionId);
      const neededBytes = volume.overlay.diskBytes + Math.ceil(bytes * ROOM_FACTOR);
      const missingBytes = neededBytes - entry.reservedBytes;
      if (missingBytes <= 0) return;
      await this.#options.registry.setReserved(entry.volume, neededBytes, () =>
        this.space.assertRoom(missingBytes),
      );
      volume.overlay.setQuota(neededBytes);
    });
  }

  /**
   * From the answer on, and through every crash, hosts read the session's disks at so many bytes a second at the most,
   * together; at 0 not at all. Only for a copy whose source no guest reads. Repeatable. Throws NotFound.
   */
  limitReads(sessionId: string, bytesPerSecond: number): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const { entry, volume } = this.#onView(sessionId);
      await this.#options.registry.setReadLimit(entry.volume, bytesPerSecond);
      volume.readLimit.set(bytesPerSecond);
    });
  }

  /** Its disks are read as fast as they can be. None is done, and so is no export. */
  liftReadLimit(sessionId: string): Promise<void> {
    return this.#perSession.run(sessionId, async () => {
      const entry = this.#options.registry.export(sessionId);
      if (entry?.readLimit === undefined) return;
      await this.#options.registry.setReadLimit(entry.volume, undefined);
      this.shares.volume(entry.volume)?.readLimit.set(undefined);
    });
  }

  /** Whoever writes to a disk runs from it: nothing of it is held back any more. */
  #liftForGuest(sessionId: string): void {
    const { log } = this.#options;
    log.warn({ sessionId }, 'somebody writes to a disk whose reads are held back: they are not any more');
    this.liftReadLimit(sessionId).catch((error: unknown) => {
      log.error({ sessionId, reason: messageOf(error) }, 'the limit of its reads comes back with a restart');
    });
  }

  #onView(sessionId: string): { entry: ExportEntry; volume: Volume } {
    const entry = this.#options.registry.export(sessionId);
    const volume = entry === undefined ? undefined : this.shares.volume(entry.volume);
    if (entry !== undefined && volume !== undefined) return { entry, volume };
    throw new GatewayError('NotFound', `There is no export of session ${sessionId} on view here.`);
  }

  /** Throws NotFound. */
  status(sessionId: string): ExportStatus {
    const live = this.#live.get(sessionId);
    if (live === undefined) {
      throw new GatewayError('NotFound', `There is no export of session ${sessionId} here.`);
    }
    return this.#statusOf(live);
  }

  /** What lies in a session's directory now, and how hosts wrote to it. Throws NotFound. */
  files(sessionId: string): ExportFile[] {
    const { overlay, writes } = this.#onView(sessionId).volume;
    return [...overlay.names.entriesAfter(overlay.root, 0)].map(({ name, inode }) => ({
      name,
      kind: inode.kind,
      sizeBytes: inode.sizeBytes,
      writes: writes.of(inode.id),
    }));
  }

  /** The session's files at the moment of the call. Throws NotFound, NotSupported behind a fence, Busy. */
  freeze(sessionId: string): FrozenExport {
    const { volumes, openVm } = this.#options;
    const { entry, volume } = this.#onView(sessionId);
    if (entry.fence !== undefined) {
      const why = `The VM of session ${sessionId} is on its way to production: what is here is not its state any more.`;
      throw new GatewayError('NotSupported', why);
    }
    const view = volume.overlay.freeze();
    if (view === undefined) throw new GatewayError('Busy', `Session ${sessionId} is being kept already.`);
    const source = { ...entry.request.source, jobId: entry.jobId };
    const openBackup = async () => {
      const setKey = await volumes.setKey(entry.volume);
      return { setKey, vm: await openVm(source, setKey) };
    };
    return { entry, view, openBackup };
  }

  statuses(): ExportStatus[] {
    return [...this.#live.values()].map((live) => this.#statusOf(live));
  }

  /** Closes every export; all are back after the next start. */
  async close(): Promise<void> {
    for (const { images, overlay } of this.#live.values()) {
      await images?.close();
      await overlay?.close();
    }
    for (const share of this.shares.all()) await share.root?.overlay.close();
    this.#live.clear();
  }

  #same(existing: ExportEntry, request: PublishRequest): PublishedExport {
    if (!isDeepStrictEqual(existing.request, withoutKey(request))) {
      throw new GatewayError(
        'ExportConflict',
        `Session ${request.sessionId} is published already, from another backup or with other settings. Start another session.`,
      );
    }
    const live = this.#live.get(request.sessionId);
    if (live?.problem !== undefined) throw new GatewayError('Unexpected', live.problem);
    return this.#published(existing);
  }

  async #publish(request: PublishRequest): Promise<PublishedExport> {
    const { registry, openVm } = this.#options;
    // Refuses what is no address before anything is made.
    new AddressList(request.allow);
    const setKey = Buffer.from(request.source.setKey, 'base64');
    const stored = withoutKey(request);
    const vm = await openVm(stored.source, setKey);
    try {
      const files = publishedVm(vm, request);
      const provisionedBytes = files.flats.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const room = { provisionedBytes, reserveFactor: request.reserveFactor };
      const entry = await registry.add(
        {
          request: stored,
          publishedAt: new Date().toISOString(),
          jobId: vm.jobId,
          vmxName: files.vmxName,
          disks: files.flats.map(({ descriptorName, sizeBytes }) => ({ name: descriptorName, sizeBytes })),
          provisionedBytes,
          reservedBytes: reservationOf(room),
        },
        () => this.space.assertFits(room),
      );
      return await this.#build(entry, files, setKey);
    } finally {
      await vm.close();
    }
  }

  async #build(entry: ExportEntry, files: PublishedVm, setKey: Uint8Array): Promise<PublishedExport> {
    const { registry, volumes, log } = this.#options;
    let live: (LiveExport & { overlay: Overlay }) | undefined;
    try {
      await volumes.createKeys(entry.volume, setKey);
      live = await this.#openLive(entry);
      await fillOverlay(live.overlay, files, entry.request.readOnly === true ? READ_ONLY_MODE : FILE_MODE);
      const share = await this.#roots.open(entry.request.targetId);
      this.#assertNameFree(share, entry);
      await registry.markPublished(entry.volume);
      this.#show(share, live);
      return this.#published(entry);
    } catch (error) {
      if (live !== undefined) this.#live.set(entry.request.sessionId, live);
      await this.#remove(entry).catch((left: unknown) => {
        const { sessionId } = entry.request;
        log.error({ sessionId, reason: messageOf(left) }, 'a publish that failed is undone later');
      });
      throw error;
    }
  }

  #assertNameFree(share: Share, { request: { sessionId } }: ExportEntry): void {
    const root = share.root?.overlay;
    if (root?.names.find(root.root, sessionId) === undefined) return;
    throw new GatewayError('ExportConflict', `A host made '${sessionId}' at the root of ${share.path}.`);
  }

  async #restore(entry: ExportEntry): Promise<void> {
    const { registry, log } = this.#options;
    const { sessionId, targetId } = entry.request;
    try {
      if (entry.state === 'publishing' || (await registry.isDropped(sessionId))) {
        await this.#remove(entry);
        return;
      }
      const share = await this.#roots.open(targetId);
      this.#show(share, await this.#openLive(entry));
    } catch (error) {
      const problem = `The export could not be restored: ${messageOf(error)}`;
      log.error({ sessionId, reason: messageOf(error) }, 'export not restored');
      this.#live.set(sessionId, { entry, images: undefined, overlay: undefined, problem });
      const share = this.shares.share(targetId);
      const { allow, readOnly = false } = entry.request;
      share.addSession(sessionId, { volume: undefined, volumeNumber: entry.volume, allow, readOnly });
      this.shares.addBroken(entry.volume, share);
    }
  }

  async #openLive(entry: ExportEntry): Promise<LiveExport & { overlay: Overlay }> {
    const { volumes, openVm, log } = this.#options;
    const { sessionId, source } = entry.request;
    const setKey = await volumes.setKey(entry.volume);
    const images = new VaultImages({
      open: () => openVm({ ...source, jobId: entry.jobId }, setKey),
      onFault: (reason) => log.warn({ sessionId, reason }, 'reading the backup fails'),
    });
    const overlay = await volumes.open(entry.volume, {
      quotaBytes: entry.reservedBytes,
      mustExist: entry.state === 'published',
      base: (diskName, offsetBytes, into) => images.read(diskName, offsetBytes, into),
      onProblem: (error) => {
        log.error({ sessionId, reason: error.message }, 'the export’s changes');
        const live = this.#live.get(sessionId);
        if (live !== undefined) live.problem = error.message;
      },
    });
    return { entry, images, overlay, problem: undefined };
  }

  /** Puts the export on view. */
  #show(share: Share, live: LiveExport & { overlay: Overlay }): void {
    const { entry, overlay } = live;
    const { sessionId, allow, readOnly = false } = entry.request;
    const writes = new WriteCounts();
    const fence = new VolumeFence(entry.fence?.fileIds);
    const readLimit = new ReadLimit(this.#heldReads, {
      bytesPerSecond: entry.readLimit,
      onBroken: () => this.#liftForGuest(sessionId),
    });
    const volume: Volume = { number: entry.volume, overlay, share, sessionId, writes, fence, readLimit };
    this.#live.set(sessionId, live);
    this.shares.addVolume(volume);
    share.addSession(sessionId, { volume, volumeNumber: entry.volume, allow, readOnly });
  }

  /** Takes an export off view and deletes all of it. Each step may have been done before. */
  async #remove(entry: ExportEntry): Promise<void> {
    const { registry, volumes } = this.#options;
    const { sessionId, targetId } = entry.request;
    this.shares.share(targetId).removeSession(sessionId);
    this.shares.removeVolume(entry.volume);
    const live = this.#live.get(sessionId);
    this.#live.delete(sessionId);
    await live?.images?.close();
    await live?.overlay?.discard();
    await volumes.delete(entry.volume);
    await registry.removeExport(entry.volume);
    await this.#roots.removeUnused(targetId);
  }

  #published({ request, vmxName, disks }: ExportEntry): PublishedExport {
    const { sessionId, targetId } = request;
    return {
      sessionId,
      remoteHost: this.#options.advertise,
      remotePath: this.shares.share(targetId).path,
      vmxPath: `${sessionId}/${vmxName}`,
      disks: disks.map(({ name, sizeBytes }) => ({ path: `${sessionId}/${name}`, sizeBytes })),
    };
  }

  #statusOf({ entry, images, overlay, problem }: LiveExport): ExportStatus {
    const faults = images?.faults();
    const { fence, readLimit, reservedBytes } =
      this.#options.registry.export(entry.request.sessionId) ?? entry;
    const { targetId, source, vmx, readOnly = false } = entry.request;
    return {
      ...this.#published(entry),
      ...{ targetId, source: { ...source, jobId: entry.jobId }, readOnly },
      ...{ displayName: vmx.displayName, changesDirectory: vmx.changesDirectory },
      publishedAt: entry.publishedAt,
      provisionedBytes: entry.provisionedBytes,
      reservedBytes,
      overlayBytes: overlay?.diskBytes ?? 0,
      fence: fence && (fence.isFinal ? 'final' : 'raised'),
      readLimit,
      stalledSince: faults?.stalledSince,
      lastError: problem ?? faults?.lastError,
    };
  }
}

/** The VM's files in an empty overlay: the small ones as if a host had written them, the disks over their images. */
async function fillOverlay(overlay: Overlay, { files, flats }: PublishedVm, mode: number): Promise<void> {
  const { names, root } = overlay;
  for (const { name, bytes } of files) {
    const file = await names.create(root, name, { how: 'guarded', attributes: { mode } });
    await overlay.write(file, 0, bytes);
  }
  for (const { name, diskName, sizeBytes } of flats) {
    await names.createBaseFile(root, { name, diskName, sizeBytes, mode });
  }
}

function withoutKey(request: PublishRequest): StoredRequest {
  const { vault, backupSet, jobId, vmName } = request.source;
  return { ...request, source: { vault, backupSet, jobId, vmName } };
}

function dropped(sessionId: string): GatewayError {
  return new GatewayError(
    'ExportDropped',
    `The export of session ${sessionId} was dropped, with its changes: it can't be published again. Start a new session.`,
  );
}

// The root of each target's share: what hosts write there, heartbeats and markers, outlives every session, and goes with
// the last. The root's handle stays, whatever comes and goes under it.
import { type Log } from '../nfs/index.ts';
import { VolumeFence } from './fence.ts';
import { GatewayError, messageOf } from './gateway-error.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { type HeldReads, ReadLimit } from './read-limit.ts';
import { type Registry } from './registry.ts';
import { type Share, type Shares, type Volume } from './shares.ts';
import { type VolumeStore } from './volume-store.ts';
import { WriteCounts } from './write-counts.ts';

/** A few MiB are what hosts write there. Not reserved. */
const ROOT_QUOTA_BYTES = 1024 ** 3;

export interface ShareRootsOptions {
  readonly registry: Registry;
  readonly volumes: VolumeStore;
  readonly shares: Shares;
  readonly heldReads: HeldReads;
  readonly log: Log;
}

export class ShareRoots {
  readonly #options: ShareRootsOptions;
  readonly #perShare = new KeyedQueue();

  constructor(options: ShareRootsOptions) {
    this.#options = options;
  }

  /** The target's share with its root; opened, and made where it is new. */
  open(targetId: string): Promise<Share> {
    return this.#perShare.run(targetId, async () => {
      const { registry, volumes, shares, heldReads, log } = this.#options;
      const share = shares.share(targetId);
      if (share.root !== undefined) return share;
      const entry = registry.share(targetId);
      if (entry === undefined) throw new GatewayError('Unexpected', `Target ${targetId} has no share.`);
      if (!(await volumes.hasKey(entry.volume))) {
        await volumes.delete(entry.volume);
        await volumes.createKeys(entry.volume);
      }
      const overlay = await volumes.open(entry.volume, {
        quotaBytes: ROOT_QUOTA_BYTES,
        base: () => Promise.reject(new Error('No file at a share’s root has an image under it.')),
        firstId: entry.firstId,
        onProblem: (error) => log.error({ targetId, reason: error.message }, 'the files at the share’s root'),
      });
      const writes = new WriteCounts();
      const fence = new VolumeFence();
      const readLimit = new ReadLimit(heldReads);
      const root: Volume = {
        ...{ number: entry.volume, overlay, share, sessionId: undefined },
        ...{ writes, fence, readLimit },
      };
      share.setRoot(root);
      shares.addVolume(root);
      return share;
    });
  }

  /**
   * With a target's last session go the files at its share's root. Those that can't be read are logged and left to the
   * next start: no session needs them, and none is kept from its end, or from coming back, by them.
   */
  async removeUnused(targetId: string): Promise<void> {
    try {
      await this.#removeUnused(targetId);
    } catch (error) {
      const { log } = this.#options;
      log.error({ targetId, reason: messageOf(error) }, 'the files at the share’s root are not removed');
    }
  }

  async #removeUnused(targetId: string): Promise<void> {
    const { registry, volumes, shares } = this.#options;
    const entry = registry.share(targetId);
    if (entry === undefined || !(await volumes.hasKey(entry.volume))) return;
    if (this.#isUsed(targetId)) return;
    const share = await this.open(targetId);
    await this.#perShare.run(targetId, async () => {
      const { root } = share;
      if (root === undefined || this.#isUsed(targetId)) return;
      share.setRoot(undefined);
      shares.removeVolume(entry.volume);
      await root.overlay.discard();
      await registry.raiseFirstId(targetId, root.overlay.nextId);
      await volumes.delete(entry.volume);
    });
  }

  #isUsed(targetId: string): boolean {
    return this.#options.registry.exports().some(({ request }) => request.targetId === targetId);
  }
}

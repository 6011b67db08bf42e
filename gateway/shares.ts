// What is on view: per target one share, in it the files that hosts write at its root and a directory per session.
// The export file system reads it on each call; exports.ts changes it.
import { AddressList } from './address-list.ts';
import { type VolumeFence } from './fence.ts';
import { type Overlay } from './overlay/index.ts';
import { type ReadLimit } from './read-limit.ts';
import { type WriteCounts } from './write-counts.ts';

/** Files under one root, with their own numbers: a session's directory, or a share's root. */
export interface Volume {
  readonly number: number;
  readonly overlay: Overlay;
  readonly share: Share;
  /** The session whose directory this is; undefined at a share's root. */
  readonly sessionId: string | undefined;
  readonly writes: WriteCounts;
  readonly fence: VolumeFence;
  readonly readLimit: ReadLimit;
}

/** A session's directory in a share. What could not be restored has no volume, and answers I/O errors. */
interface SessionDirectory {
  readonly volume: Volume | undefined;
  readonly volumeNumber: number;
  readonly allow: readonly string[];
  /** Nothing in it can be changed. */
  readonly readOnly: boolean;
}

export class Share {
  readonly targetId: string;
  readonly path: string;
  readonly #sessions = new Map<string, SessionDirectory>();
  #root: Volume | undefined;
  #allowed = new AddressList([]);

  constructor(targetId: string) {
    this.targetId = targetId;
    this.path = `/rundirect/${targetId}`;
  }

  get root(): Volume | undefined {
    return this.#root;
  }

  setRoot(root: Volume | undefined): void {
    this.#root = root;
  }

  /** Whether a host may mount and use it: one session's permission is enough. */
  allows(address: string): boolean {
    return this.#allowed.has(address);
  }

  /** Whether nothing in it can be changed: a directory in it, or (without one) its root, where all directories are so. */
  isReadOnly(sessionId: string | undefined): boolean {
    if (sessionId !== undefined) return this.#sessions.get(sessionId)?.readOnly === true;
    return this.#sessions.size > 0 && [...this.#sessions.values()].every(({ readOnly }) => readOnly);
  }

  session(sessionId: string): SessionDirectory | undefined {
    return this.#sessions.get(sessionId);
  }

  sessions(): ReadonlyMap<string, SessionDirectory> {
    return this.#sessions;
  }

  addSession(sessionId: string, directory: SessionDirectory): void {
    this.#sessions.set(sessionId, directory);
    this.#updateAllowed();
  }

  removeSession(sessionId: string): void {
    this.#sessions.delete(sessionId);
    this.#updateAllowed();
  }

  #updateAllowed(): void {
    this.#allowed = new AddressList([...this.#sessions.values()].flatMap(({ allow }) => allow));
  }
}

/** Every share and every volume, by how a call names them. */
export class Shares {
  readonly #byTarget = new Map<string, Share>();
  readonly #volumes = new Map<number, Volume>();
  /** Volumes that exist and could not be opened. */
  readonly #broken = new Map<number, Share>();

  share(targetId: string): Share {
    let share = this.#byTarget.get(targetId);
    if (share === undefined) {
      share = new Share(targetId);
      this.#byTarget.set(targetId, share);
    }
    return share;
  }

  /** The share that a path leads into, and the rest of the path; slashes at the end do not count. */
  at(path: string): { share: Share; rest: string } | undefined {
    const wanted = path.replace(/\/+$/, '');
    for (const share of this.#byTarget.values()) {
      if (wanted === share.path) return { share, rest: '' };
      if (wanted.startsWith(`${share.path}/`)) return { share, rest: wanted.slice(share.path.length + 1) };
    }
    return undefined;
  }

  all(): Iterable<Share> {
    return this.#byTarget.values();
  }

  volume(number: number): Volume | undefined {
    return this.#volumes.get(number);
  }

  isBroken(number: number): boolean {
    return this.#broken.has(number);
  }

  addVolume(volume: Volume): void {
    this.#volumes.set(volume.number, volume);
  }

  addBroken(number: number, share: Share): void {
    this.#broken.set(number, share);
  }

  removeVolume(number: number): void {
    this.#volumes.delete(number);
    this.#broken.delete(number);
  }
}

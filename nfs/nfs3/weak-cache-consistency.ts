// wcc_data (RFC 1813, section 2.6): a file's size and times before a change, and its attributes after it, from which
// a client tells whether its own change was the only one. A server that tells the times "before" while another's
// change slips in between makes the client keep stale data. So they are told only when no other change of the same
// file, through this server, overlapped; without them the client asks anew, which is always right.
import { type Attributes, type FileSystem, Nfs3Error } from '../file-system.ts';
import { type Encode, type XdrWriter } from '../xdr/writer.ts';
import { writePostOpAttributes, writeTime } from './attributes.ts';

interface Ongoing {
  active: number;
  /** Counts beginnings and ends. */
  epoch: number;
}

/** The changes under way, by fileid. Bounded by the calls in flight. */
export class ChangeTracker {
  readonly #ongoing = new Map<number, Ongoing>();

  /** Begins a change; the function ends it and tells whether it was alone all the time. */
  begin(fileid: number): () => boolean {
    const ongoing = this.#ongoing.get(fileid) ?? { active: 0, epoch: 0 };
    this.#ongoing.set(fileid, ongoing);
    const wasFree = ongoing.active === 0;
    ongoing.active += 1;
    ongoing.epoch += 1;
    const epochAtStart = ongoing.epoch;
    return () => {
      const wasAlone = wasFree && ongoing.epoch === epochAtStart;
      ongoing.active -= 1;
      ongoing.epoch += 1;
      if (ongoing.active === 0) this.#ongoing.delete(fileid);
      return wasAlone;
    };
  }
}

/** One node's wcc_data in one call. */
export class Wcc<Node> {
  readonly #fileSystem: FileSystem<Node>;
  readonly #node: Node;
  readonly #before: Attributes | undefined;
  readonly #end: (() => boolean) | undefined;
  #wasAlone = false;

  constructor(fileSystem: FileSystem<Node>, tracker: ChangeTracker, node: Node) {
    this.#fileSystem = fileSystem;
    this.#node = node;
    this.#before = attributesIfAny(fileSystem, node);
    this.#end = this.#before === undefined ? undefined : tracker.begin(this.#before.fileid);
  }

  /** Ends the change. Called once, before `write`. */
  settle(): void {
    this.#wasAlone = this.#end?.() ?? false;
  }

  readonly write: Encode = (reply) => {
    if (this.#wasAlone && this.#before !== undefined) writePreOpAttributes(reply, this.#before);
    else reply.boolean(false);
    writePostOpAttributes(reply, this.#fileSystem, this.#node);
  };
}

function writePreOpAttributes(reply: XdrWriter, before: Attributes): void {
  reply.boolean(true);
  reply.uint64(before.sizeBytes);
  writeTime(reply, before.mtime);
  writeTime(reply, before.ctime);
}

function attributesIfAny<Node>(fileSystem: FileSystem<Node>, node: Node): Attributes | undefined {
  try {
    return fileSystem.attributes(node);
  } catch (error) {
    if (error instanceof Nfs3Error) return undefined;
    throw error;
  }
}

// One NFSv3 call on its way: what every procedure needs to read its arguments, and how it answers.
import { isUtf8 } from 'node:buffer';
import { type Awaitable, type Caller, type FileSystem, Nfs3Error, Nfs3Status } from '../file-system.ts';
import { type XdrReader } from '../xdr/reader.ts';
import { type Encode } from '../xdr/writer.ts';
import { type ChangeTracker, Wcc } from './weak-cache-consistency.ts';

/** NFS3_FHSIZE: RFC 1813, section 2.4. */
const MAX_HANDLE_BYTES = 64;

/** name_max of PATHCONF. */
export const MAX_NAME_BYTES = 255;

/** Longest target of a symbolic link: PATH_MAX of POSIX systems. */
const MAX_PATH_BYTES = 4096;

/** Longest filename3 or nfspath3 that is looked at at all; RFC 1813 sets no limit, the record does. */
const MAX_STRING_BYTES = 64 * 1024;

export interface Nfs3Limits {
  /** rtmax and wtmax: the most that one READ or WRITE carries. A multiple of 4096. */
  readonly maxTransferBytes: number;
}

/** A procedure of NFSv3; its file cites its section of RFC 1813. */
export interface Nfs3Procedure {
  readonly name: string;
  /** The words of its failure result after the status when no attributes are at hand: that many times FALSE. */
  readonly absentOnFailure: number;
  /** Changes more when run twice: a retransmission gets the first run's answer. */
  readonly isRemembered?: true;
  /**
   * Runs the call. The Encode writes the result after NFS3_OK. Throws Nfs3Error for the other statuses, and
   * NfsServerError MessageMalformed, before anything is done, for arguments it can't read.
   */
  run<Node>(call: Nfs3Call<Node>): Awaitable<Encode>;
}

export class Nfs3Call<Node> {
  readonly args: XdrReader;
  readonly fileSystem: FileSystem<Node>;
  readonly caller: Caller;
  readonly limits: Nfs3Limits;
  /** Writes the failure result after the status, once there are attributes to tell. */
  onFailure: Encode | undefined;
  readonly #tracker: ChangeTracker;
  readonly #changes: Wcc<Node>[] = [];

  constructor(
    fileSystem: FileSystem<Node>,
    tracker: ChangeTracker,
    limits: Nfs3Limits,
    caller: Caller,
    args: XdrReader,
  ) {
    this.fileSystem = fileSystem;
    this.#tracker = tracker;
    this.limits = limits;
    this.caller = caller;
    this.args = args;
  }

  /** nfs_fh3. */
  handle(): Buffer {
    return this.args.opaque(MAX_HANDLE_BYTES);
  }

  resolve(handle: Buffer): Node {
    return this.fileSystem.resolve(handle, this.caller);
  }

  /** filename3. */
  name(): string {
    const bytes = this.args.opaque(MAX_STRING_BYTES);
    if (bytes.length > MAX_NAME_BYTES) {
      throw new Nfs3Error(Nfs3Status.NAMETOOLONG, `a name of ${bytes.length} bytes`);
    }
    const name = text(bytes);
    if (name === '' || name.includes('/')) throw new Nfs3Error(Nfs3Status.INVAL, `the name '${name}'`);
    return name;
  }

  /** filename3 of something that is to be made, replaced or removed: neither '.' nor '..'. */
  newName(status: typeof Nfs3Status.EXIST | typeof Nfs3Status.INVAL): string {
    const name = this.name();
    if (name === '.' || name === '..') throw new Nfs3Error(status, `the name '${name}'`);
    return name;
  }

  /** nfspath3. */
  path(): string {
    const bytes = this.args.opaque(MAX_STRING_BYTES);
    if (bytes.length > MAX_PATH_BYTES) {
      throw new Nfs3Error(Nfs3Status.NAMETOOLONG, `a path of ${bytes.length} bytes`);
    }
    return text(bytes);
  }

  /** Begins a change of the node; the result is its wcc_data. */
  change(node: Node): Wcc<Node> {
    const wcc = new Wcc(this.fileSystem, this.#tracker, node);
    this.#changes.push(wcc);
    return wcc;
  }

  /** The call is done, well or not. */
  settle(): void {
    for (const change of this.#changes) change.settle();
  }
}

function text(bytes: Buffer): string {
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw new Nfs3Error(Nfs3Status.INVAL, `a name that is not UTF-8: ${bytes.toString('hex')}`);
  }
  return bytes.toString('utf8');
}

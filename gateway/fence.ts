// A fence around a session's files, for the moment in which its VM goes over to production: what the old VM needs to
// run (its .vmx, the frozen disks) is refused from then on, by name and by handle, to reading and writing; what the
// new VM stands on for a while (the disks of its changes, a saved state) goes on being served, and hosts may make new
// files beside it (locks, what a merge needs). So the old VM can't run any more, whoever registers it wherever: never
// two of it. The fence is in the registry before it is answered, and is back after a crash.
import { Nfs3Error, Nfs3Status } from '../nfs/index.ts';
import { GatewayError } from './gateway-error.ts';
import { type Inode, type Overlay } from './overlay/index.ts';

/** Which files of a volume are behind its fence. */
export class VolumeFence {
  #fileIds: ReadonlySet<number>;

  constructor(fileIds: readonly number[] = []) {
    this.#fileIds = new Set(fileIds);
  }

  raise(fileIds: readonly number[]): void {
    this.#fileIds = new Set(fileIds);
  }

  lift(): void {
    this.#fileIds = new Set();
  }

  has(inode: Inode | undefined): boolean {
    return inode !== undefined && this.#fileIds.has(inode.id);
  }

  /** Throws ACCES. */
  refuse(inode: Inode | undefined): void {
    if (!this.has(inode)) return;
    throw new Nfs3Error(
      Nfs3Status.ACCES,
      'The VM goes on from production storage: its old files are fenced.',
    );
  }
}

/** Every file but those that are kept, which must be there. Throws GatewayError InvalidInput. */
export function filesBehind({ names, root }: Overlay, keep: readonly string[]): number[] {
  const missing = keep.filter((name) => names.find(root, name) === undefined);
  if (missing.length > 0) {
    throw new GatewayError(
      'InvalidInput',
      `The session’s directory has no ${missing.join(', ')}: nothing is fenced.`,
    );
  }
  const kept = new Set(keep);
  const withAllBelow = (inode: Inode): number[] => {
    const below = inode.kind === 'directory' ? [...names.entriesAfter(inode, 0)] : [];
    return [inode.id, ...below.flatMap((entry) => withAllBelow(entry.inode))];
  };
  return [...names.entriesAfter(root, 0)]
    .filter(({ name }) => !kept.has(name))
    .flatMap(({ inode }) => withAllBelow(inode));
}

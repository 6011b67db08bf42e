// Restore: a VM, or one disk of it for a VM that is there, goes from its backup to production storage without running
// on the way. It is listed, shown and followed as a session is, by the same status; its states are `restoring` and
// `restored`. JSON-safe throughout.

export interface RestoreStatus {
  /** Undefined while it is the one of the VM that gets a disk, and that was not looked at yet. */
  readonly datastore: string | undefined;
  /** The VM that gets a disk, and where it hangs once it does; absent where a whole VM is restored. */
  readonly toVm?: { readonly name: string; readonly node: string | undefined } | undefined;
  /** `[datastore] folder` of the VM, or the disk's file; undefined until the VM is registered or has the disk. */
  readonly location: string | undefined;
  /** The disk that is being copied. */
  readonly disk: string | undefined;
  /** Of the provisioned size of all disks, as the target tells it. */
  readonly copiedBytes: number;
  /** Undefined until preflight has seen the disks. */
  readonly totalBytes: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly leftMs: number | undefined;
  /** How long it took to copy all disks; undefined until then. */
  readonly copyMs: number | undefined;
}

// Restore: a VM goes from its backup to production storage without running on the way. It is listed, shown and
// followed as a session is, by the same status; its states are `restoring` and `restored`. JSON-safe throughout.

export interface RestoreStatus {
  readonly datastore: string;
  /** `[datastore] folder`; undefined until the VM is registered. */
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

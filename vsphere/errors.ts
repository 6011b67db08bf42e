// The one error of this engine. `code` is what a caller decides by; `fault` is the vim25 type that the server
// named, for people and for the log; neither message nor cause ever carries a password.

/** Why a call failed. Closed: a fault without a code of its own is `Unexpected`. */
export const vsphereErrorCodes = [
  /** User name or password is wrong, or the account is locked. */
  'InvalidLogin',
  /** The server shows another certificate than the pinned one; nothing was sent to it. */
  'CertificateMismatch',
  /** The account lacks a privilege. */
  'NoPermission',
  /** The licence forbids it, as a free ESXi does for every write (RestrictedVersion). */
  'LicenceRestricted',
  /** The server, host or VM can't do this at all. */
  'NotSupported',
  /** The request is malformed: an argument, a name or a path that no server would take. */
  'InvalidInput',
  /** The object is not there, or not there any more. */
  'NotFound',
  /** Another object has the name. */
  'NameTaken',
  /** What was to be made is there already. */
  'AlreadyExists',
  /** A datastore of that name stands for something else. */
  'DatastoreConflict',
  /** Somebody uses it: a datastore with VMs, a locked file. */
  'ResourceInUse',
  /** Another task works on the object. */
  'TaskInProgress',
  /** The VM's power state forbids it. */
  'InvalidPowerState',
  /** Another state forbids it: a host that is disconnected, a question that waits. */
  'InvalidState',
  /** Resources, files or configuration stand against it; for the most part, against a power-on. */
  'PowerOnFailed',
  /** No space on a datastore. */
  'StorageFull',
  /** No connection, or one that broke, timed out or answered what is not SOAP. */
  'TargetUnavailable',
  /** The caller's signal, or somebody at the target, cancelled it. */
  'Cancelled',
  'Unexpected',
] as const;
export type VsphereErrorCode = (typeof vsphereErrorCodes)[number];

export class VsphereError extends Error {
  override readonly name = 'VsphereError';
  readonly code: VsphereErrorCode;
  /** The vim25 name of the fault, such as `InvalidPowerState`; undefined where no server spoke. */
  readonly fault: string | undefined;

  constructor(
    code: VsphereErrorCode,
    message: string,
    options: { readonly fault?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fault = options.fault;
  }
}

// Every way in which a step can fail, and what Temporal shall do about it. The type travels as
// ApplicationFailure.type; whether and when it is retried is read from this one table, never from lists
// repeated elsewhere. Engines' codes are mapped to it in activities/failures.ts.

interface FailurePolicy {
  readonly retryable: boolean;
  /** Wait at least this long before the next attempt, where the default backoff would be too eager. */
  readonly nextRetryDelayMs?: number;
}

export const failurePolicies = {
  // The request can't succeed as it stands: a person has to change something.
  InvalidInput: { retryable: false },
  PreflightFailed: { retryable: false },
  VaultNotFound: { retryable: false },
  NotAVault: { retryable: false },
  VaultExists: { retryable: false },
  BackupNotFound: { retryable: false },
  ChainBroken: { retryable: false },
  BlockCorrupt: { retryable: false },
  KeyRejected: { retryable: false },
  FormatUnsupported: { retryable: false },
  DestinationRefused: { retryable: false },
  SourceInvalid: { retryable: false },
  SourceInUse: { retryable: false },
  SourceChanged: { retryable: false },
  SecretRejected: { retryable: false },
  InvalidLogin: { retryable: false },
  CertificateMismatch: { retryable: false },
  NoPermission: { retryable: false },
  LicenceRestricted: { retryable: false },
  NotSupported: { retryable: false },
  NotFound: { retryable: false },
  ReportNotFound: { retryable: false },
  NameTaken: { retryable: false },
  DatastoreConflict: { retryable: false },
  ExportDropped: { retryable: false },
  /** The gateway does not know what the worker asks of it. */
  GatewayOutdated: { retryable: false },
  NotOurs: { retryable: false },
  VmMoved: { retryable: false },
  PowerOnFailed: { retryable: false },
  /** A guest that may be writing, where nobody said that it may be powered off. */
  GuestRuns: { retryable: false },
  /** Asked of a session that has come to its end, or is on the way there. */
  NotRunning: { retryable: false },
  AlreadyStopping: { retryable: false },
  AlreadyFinalizing: { retryable: false },
  NotFinalizing: { retryable: false },
  /** An answer to a question that is not open, or not any more. */
  NoQuestion: { retryable: false },
  AlreadyKeeping: { retryable: false },
  NotKeeping: { retryable: false },
  /** Somebody cancelled the finalize; the session runs on. */
  FinalizeCancelled: { retryable: false },
  /** Somebody cancelled the keep; the session runs on. */
  KeepCancelled: { retryable: false },
  /** The target gave the migration up; the VM is where it was. */
  MigrationFailed: { retryable: false },
  /** The target gave the copying of a restore up. */
  CopyFailed: { retryable: false },
  /** The target does not add a disk to a VM. */
  AttachFailed: { retryable: false },
  // It may well succeed later, by itself or after somebody made room.
  BackupInProgress: { retryable: true },
  DestinationUnavailable: { retryable: true },
  StorageFull: { retryable: true, nextRetryDelayMs: 30_000 },
  TargetUnavailable: { retryable: true },
  TaskInProgress: { retryable: true },
  ResourceInUse: { retryable: true, nextRetryDelayMs: 2_000 },
  GatewayUnavailable: { retryable: true },
  /** Nobody took the step: the site has no worker, or its worker hangs. */
  SiteUnavailable: { retryable: true },
  Unexpected: { retryable: true },
} as const satisfies Record<string, FailurePolicy>;

export type FailureType = keyof typeof failurePolicies;

export function isFailureType(type: string): type is FailureType {
  return Object.hasOwn(failurePolicies, type);
}

export function policyOf(type: FailureType): FailurePolicy {
  return failurePolicies[type];
}

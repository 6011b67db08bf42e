// Engines' errors become what Temporal decides by: an ApplicationFailure of a type in contract/failure-type.ts,
// whose table says whether and when it is tried again. The one place that maps codes. A failure carries the
// engine's message, made for people, and neither cause nor stack: those could hold what a history must not.
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { type FailureType, policyOf } from '../contract/index.ts';
import { GatewayError, type GatewayErrorCode } from '../gateway/index.ts';
import { SecretsError, type SecretsErrorCode } from '../secrets/index.ts';
import { VaultError, type VaultErrorCode } from '../vault/index.ts';
import { VmFolderError, type VmFolderErrorCode } from '../vm-folder/index.ts';
import { VsphereError, type VsphereErrorCode } from '../vsphere/index.ts';

const vault: Record<VaultErrorCode, FailureType> = {
  NotAVault: 'NotAVault',
  VaultNotFound: 'VaultNotFound',
  VaultExists: 'VaultExists',
  BackupNotFound: 'BackupNotFound',
  ChainBroken: 'ChainBroken',
  BlockCorrupt: 'BlockCorrupt',
  KeyRejected: 'KeyRejected',
  FormatUnsupported: 'FormatUnsupported',
  BackupInProgress: 'BackupInProgress',
  DestinationUnavailable: 'DestinationUnavailable',
  DestinationRefused: 'DestinationRefused',
  StorageFull: 'StorageFull',
  InvalidInput: 'InvalidInput',
};

const vmFolder: Record<VmFolderErrorCode, FailureType> = {
  SourceInvalid: 'SourceInvalid',
  SourceInUse: 'SourceInUse',
  SourceChanged: 'SourceChanged',
};

const secrets: Record<SecretsErrorCode, FailureType> = {
  SecretRejected: 'SecretRejected',
  KeyUnavailable: 'SecretRejected',
  InvalidInput: 'InvalidInput',
  StoreCorrupt: 'SecretRejected',
};

const gateway: Record<GatewayErrorCode, FailureType> = {
  InvalidInput: 'InvalidInput',
  NotFound: 'NotFound',
  NotSupported: 'NotSupported',
  Busy: 'TaskInProgress',
  ExportDropped: 'ExportDropped',
  ExportConflict: 'InvalidInput',
  FenceFinal: 'VmMoved',
  StorageFull: 'StorageFull',
  NotAVault: 'NotAVault',
  BackupNotFound: 'BackupNotFound',
  ChainBroken: 'ChainBroken',
  BlockCorrupt: 'BlockCorrupt',
  KeyRejected: 'KeyRejected',
  FormatUnsupported: 'FormatUnsupported',
  DestinationUnavailable: 'DestinationUnavailable',
  GatewayUnavailable: 'GatewayUnavailable',
  UnknownCall: 'GatewayOutdated',
  Unexpected: 'Unexpected',
};

const vsphere: Record<VsphereErrorCode, FailureType> = {
  InvalidLogin: 'InvalidLogin',
  CertificateMismatch: 'CertificateMismatch',
  NoPermission: 'NoPermission',
  LicenceRestricted: 'LicenceRestricted',
  NotSupported: 'NotSupported',
  InvalidInput: 'InvalidInput',
  NotFound: 'NotFound',
  NameTaken: 'NameTaken',
  AlreadyExists: 'NameTaken',
  DatastoreConflict: 'DatastoreConflict',
  ResourceInUse: 'ResourceInUse',
  TaskInProgress: 'TaskInProgress',
  // States pass: somebody powers on, a host comes back.
  InvalidPowerState: 'TaskInProgress',
  InvalidState: 'TaskInProgress',
  PowerOnFailed: 'PowerOnFailed',
  StorageFull: 'StorageFull',
  TargetUnavailable: 'TargetUnavailable',
  // Ours ends as a cancellation (step.ts); this is somebody at the target.
  Cancelled: 'TaskInProgress',
  Unexpected: 'Unexpected',
};

/** The contract's type for an engine's error; `Unexpected` for anything else. */
export function failureTypeOf(error: unknown): FailureType {
  if (error instanceof VaultError) return vault[error.code];
  if (error instanceof VmFolderError) return vmFolder[error.code];
  if (error instanceof SecretsError) return secrets[error.code];
  if (error instanceof GatewayError) return gateway[error.code];
  if (error instanceof VsphereError) return vsphere[error.code];
  return 'Unexpected';
}

/** A failure of one of the contract's types, retried as its table says. */
export function failureFor(type: FailureType, message: string, ...details: unknown[]): ApplicationFailure {
  const { retryable, nextRetryDelayMs } = policyOf(type);
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: !retryable,
    details,
    ...(nextRetryDelayMs === undefined ? {} : { nextRetryDelay: nextRetryDelayMs }),
  });
}

/** What an Activity throws for any error. */
export function failureOf(error: unknown): TemporalFailure {
  if (error instanceof TemporalFailure) return error;
  return failureFor(failureTypeOf(error), error instanceof Error ? error.message : String(error));
}

/** One that is final here, whatever its type's rule is: the step has done its own retrying. */
export function nonRetryable(type: FailureType, message: string, ...details: unknown[]): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, type, ...details);
}

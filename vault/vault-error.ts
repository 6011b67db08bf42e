// The one error class of the vault. The code is what callers decide by; the message is for people and says
// what was tried, on what, why it failed and what to do.

export type VaultErrorCode =
  /** The folder holds something else, or nothing that this program wrote. */
  | 'NotAVault'
  /** There is nothing at the location. */
  | 'VaultNotFound'
  | 'VaultExists'
  /** No such set, job, VM or disk. */
  | 'BackupNotFound'
  /** A file that a job builds on is missing or has another size than it was written with. */
  | 'ChainBroken'
  /** Bytes that do not authenticate. */
  | 'BlockCorrupt'
  | 'KeyRejected'
  /** Written by a later version, or with parameters outside the limits of this one. */
  | 'FormatUnsupported'
  | 'BackupInProgress'
  /** May well work later: the destination does not answer, or fails. */
  | 'DestinationUnavailable'
  /** It answers, and refuses, until a person changes something: permissions, a file system that is mounted read-only. */
  | 'DestinationRefused'
  | 'StorageFull'
  | 'InvalidInput';

export class VaultError extends Error {
  override readonly name = 'VaultError';
  readonly code: VaultErrorCode;
  constructor(code: VaultErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The code of a system call's error (`ENOENT`, …), if it is one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : undefined;
}

/** What an unknown thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// The one error class of this room. The code is what callers decide by; the message is for people.

export type VmFolderErrorCode =
  /** Not a VM's folder, or one that can't be read as it stands: the message names file and line. */
  | 'SourceInvalid'
  /** The VM runs, or something else holds its disks. */
  | 'SourceInUse'
  /** It changed while it was read. */
  | 'SourceChanged';

export class VmFolderError extends Error {
  override readonly name = 'VmFolderError';
  readonly code: VmFolderErrorCode;
  constructor(code: VmFolderErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What an unknown thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

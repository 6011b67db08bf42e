// What can go wrong in an overlay, by what the caller has to do about it.

export type OverlayErrorCode =
  /** No room: the quota, or the disk under the state folder. Room made, the same write works. */
  | 'NoSpace'
  /** Bytes that were acknowledged are missing or do not authenticate. Never repaired by dropping data. */
  | 'Corrupt'
  /** The disk failed a write or an fsync: nothing more is accepted, because nothing more could be promised. */
  | 'Failed'
  /** The file is gone. */
  | 'Stale'
  /** Closed while the request was on its way. */
  | 'Closed';

export class OverlayError extends Error {
  override readonly name = 'OverlayError';
  readonly code: OverlayErrorCode;
  constructor(code: OverlayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether that is what the file system says of a disk, or a user's share of it, that is full. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** `path`: what lies on it. */
export function diskFull(path: string, cause: unknown): OverlayError {
  return new OverlayError('NoSpace', `The disk that holds ${path} is full. Make room on it.`, { cause });
}

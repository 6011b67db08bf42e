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

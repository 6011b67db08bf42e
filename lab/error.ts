// What can go wrong with the lab itself, for tests and people.

export type LabErrorCode =
  /** The program or the guest could not be built. */
  | 'BuildFailed'
  /** The lab did not come up, or has ended. */
  | 'NotRunning'
  /** The lab refused what it was asked. */
  | 'Refused';

export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

// The one error class of this engine. What a file system throws to answer a client is Nfs3Error (file-system.ts);
// this one is for the people who start the server, and for messages on the wire that can't be understood.

export type NfsServerErrorCode =
  /** Something else listens on a port that was asked for. */
  | 'PortInUse'
  /** The port or the address can't be bound: it is privileged, or no interface has it. */
  | 'AddressUnavailable'
  /** The portmapper that should be told about us does not answer. */
  | 'PortmapUnavailable'
  /** The portmapper answered and refused the registration. */
  | 'PortmapRefused'
  /** Bytes that are no RPC message, or one that is longer than its limits allow. */
  | 'MessageMalformed'
  /** Options that contradict each other or are out of range. */
  | 'InvalidOption';

export class NfsServerError extends Error {
  override readonly name = 'NfsServerError';
  readonly code: NfsServerErrorCode;
  constructor(code: NfsServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

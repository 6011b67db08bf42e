// The one error of this engine. Its messages never hold what was sealed, stored or typed.

export type SecretsErrorCode =
  /** A sealed secret does not open here: other site key, other binding, or damaged. */
  | 'SecretRejected'
  /** A public key or a name that can't be one. */
  | 'InvalidInput'
  /** The site's key or the store's key can't be read, or others could read it. */
  | 'KeyUnavailable'
  /** An entry of the store is damaged or was sealed under another key. */
  | 'StoreCorrupt';

export class SecretsError extends Error {
  override readonly name = 'SecretsError';
  readonly code: SecretsErrorCode;
  constructor(code: SecretsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

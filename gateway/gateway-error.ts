// The one error class of the gateway, the same on both sides of the control socket.
import { Nfs3Error } from '../nfs/index.ts';
import { VaultError, type VaultErrorCode } from '../vault/index.ts';
import { type GatewayErrorCode } from './control-api.ts';
import { isDiskFull, OverlayError, type OverlayErrorCode } from './overlay/index.ts';

export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: GatewayErrorCode;
  constructor(code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const fromVault: Record<VaultErrorCode, GatewayErrorCode> = {
  NotAVault: 'NotAVault',
  VaultNotFound: 'NotAVault',
  VaultExists: 'Unexpected',
  BackupNotFound: 'BackupNotFound',
  ChainBroken: 'ChainBroken',
  BlockCorrupt: 'BlockCorrupt',
  KeyRejected: 'KeyRejected',
  FormatUnsupported: 'FormatUnsupported',
  BackupInProgress: 'Unexpected',
  DestinationUnavailable: 'DestinationUnavailable',
  DestinationRefused: 'DestinationUnavailable',
  StorageFull: 'StorageFull',
  InvalidInput: 'InvalidInput',
};

const fromOverlay: Record<OverlayErrorCode, GatewayErrorCode> = {
  NoSpace: 'StorageFull',
  Corrupt: 'BlockCorrupt',
  Failed: 'Unexpected',
  Stale: 'Unexpected',
  Closed: 'NotFound',
};

/** Any error as one of the gateway's. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof VaultError) {
    return new GatewayError(fromVault[error.code], error.message, { cause: error });
  }
  if (error instanceof OverlayError) {
    return new GatewayError(fromOverlay[error.code], error.message, { cause: error });
  }
  // What the NFS server was to be told of the backup's state.
  if (error instanceof Nfs3Error && error.cause instanceof VaultError) return asGatewayError(error.cause);
  if (isDiskFull(error)) {
    const message = `The disk of the gateway's state folder is full (${messageOf(error)}). Make room there.`;
    return new GatewayError('StorageFull', message, { cause: error });
  }
  return new GatewayError('Unexpected', messageOf(error), { cause: error });
}

/** What an unknown thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// Certificates are pinned, not chained: hosts come with self-signed ones, and a pin is what a person can
// compare. A connection is handed on only after the certificate was compared, so nothing, neither the
// password nor a request line, has been written to an impostor. SHA-256 over the DER form, as openssl and
// the host's own console show it.
import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { addressOf } from './address.ts';
import { VsphereError } from './errors.ts';

/** Until TCP connects: nothing listens where it takes longer. Three SYNs are sent within it. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A host that is busy takes its time for the handshake. */
const HANDSHAKE_TIMEOUT_MS = 15_000;
const FINGERPRINT = /^[0-9A-F]{64}$/;

/**
 * The fingerprint that a server shows: 64 upper-case hexadecimal digits. For first contact, when a person
 * compares it. Throws `TargetUnavailable` and `Cancelled`.
 */
export async function readFingerprint(
  host: string,
  port: number,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const socket = await handshake(host, port, options.signal);
  const fingerprint = fingerprintOf(socket);
  socket.destroy();
  return fingerprint;
}

/** A TLS connection to the server with exactly this certificate. Throws `CertificateMismatch` for another. */
export async function connectPinned(
  host: string,
  port: number,
  fingerprint: string,
  signal?: AbortSignal,
): Promise<TLSSocket> {
  if (!FINGERPRINT.test(fingerprint)) {
    throw new VsphereError(
      'InvalidInput',
      `The fingerprint given for ${addressOf(host, port)} is not one: 64 upper-case hexadecimal digits are needed (SHA-256 of the certificate).`,
    );
  }
  const socket = await handshake(host, port, signal);
  const shown = fingerprintOf(socket);
  if (shown === fingerprint) return socket;
  socket.destroy();
  throw new VsphereError(
    'CertificateMismatch',
    `${addressOf(host, port)} shows a certificate with the fingerprint ${shown}, but ${fingerprint} is expected. ` +
      'Nothing was sent. If its certificate was renewed, compare the new fingerprint at its console and use that; if not, something else answers at this address.',
  );
}

function fingerprintOf(socket: TLSSocket): string {
  return socket.getPeerCertificate().fingerprint256.replaceAll(':', '');
}

function handshake(host: string, port: number, signal?: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelled(host, port, signal));
      return;
    }
    const socket = connectTls({
      host,
      port,
      // Not a lapse: the certificate is compared by its fingerprint, which no authority can sign away.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
    });
    const onAbort = (): void => fail(cancelled(host, port, signal));
    const fail = (error: VsphereError): void => {
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const connecting = setTimeout(() => {
      fail(unavailable(host, port, `nothing answers within ${CONNECT_TIMEOUT_MS / 1000} s`));
    }, CONNECT_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(connecting));
    socket.once('connect', () => clearTimeout(connecting));
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => {
      fail(unavailable(host, port, `no TLS handshake within ${HANDSHAKE_TIMEOUT_MS / 1000} s`));
    });
    socket.once('error', (cause: Error) => fail(unavailable(host, port, reasonOf(cause), cause)));
    socket.once('secureConnect', () => {
      signal?.removeEventListener('abort', onAbort);
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

function cancelled(host: string, port: number, signal: AbortSignal | undefined): VsphereError {
  return new VsphereError('Cancelled', `Connecting to ${addressOf(host, port)} was cancelled.`, {
    cause: signal?.reason,
  });
}

/** In one line: what OpenSSL says of a handshake is several, with places in its own source. */
function reasonOf(cause: Error): string {
  const { reason } = cause as Error & { readonly reason?: unknown };
  return typeof reason === 'string'
    ? `what answers there does not speak TLS as a host does (${reason})`
    : cause.message;
}

function unavailable(host: string, port: number, why: string, cause?: Error): VsphereError {
  const message = `No TLS connection to ${addressOf(host, port)}: ${why}. Check address, port and firewall.`;
  return new VsphereError('TargetUnavailable', message, { cause });
}

// For tests: a TLS server with a certificate of its own, made by openssl, which also says its fingerprint.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** As openssl says it, without the colons. */
  readonly fingerprint: string;
}

export function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'vsphere-tls-'));
  try {
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    openssl('req', '-x509', ...kind, '-keyout', keyFile, '-out', certFile, '-subj', '/CN=esxi.test');
    const said = openssl('x509', '-in', certFile, '-noout', '-fingerprint', '-sha256');
    const fingerprint = said
      .slice(said.indexOf('=') + 1)
      .replaceAll(':', '')
      .trim();
    return { key: readFileSync(keyFile), cert: readFileSync(certFile), fingerprint };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function openssl(...parameters: string[]): string {
  return execFileSync('openssl', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

// A site's key pair. The site writes it at its first start; clients pin the fingerprint. The private half never
// leaves `site-key` in the site's state folder.
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { SecretsError } from './errors.ts';
import { createPrivateFile, readPrivateFile } from './private-file.ts';
import { type Binding, fingerprintOf, importPrivateKey, type SealedSecret, unseal } from './sealed-box.ts';

export interface SiteKey {
  /** X25519, base64 of 32 bytes. */
  readonly publicKey: string;
  /** `SHA256:…`, what people compare. */
  readonly fingerprint: string;
  /** Throws SecretsError SecretRejected. */
  open(sealed: SealedSecret, binding: Binding): Uint8Array;
}

const FILE_NAME = 'site-key';

/**
 * Reads the site's key from its state folder; makes it at the first call, and only then.
 * Throws SecretsError KeyUnavailable: not a key, or readable by others.
 */
export async function loadSiteKey(stateDirectory: string): Promise<SiteKey> {
  const path = join(stateDirectory, FILE_NAME);
  let der = await readPrivateFile(path);
  if (der === undefined) {
    const fresh = generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' });
    await createPrivateFile(path, fresh);
    der = (await readPrivateFile(path)) ?? fresh;
  }
  try {
    const { privateKey, publicKey } = importPrivateKey(der);
    return {
      publicKey,
      fingerprint: fingerprintOf(publicKey),
      open: (sealed, binding) => unseal(privateKey, publicKey, sealed, binding),
    };
  } catch (cause) {
    throw new SecretsError(
      'KeyUnavailable',
      `${path} is not a site key. Restore it from a copy; a new one would leave every sealed secret unreadable.`,
      { cause },
    );
  }
}

// Sealing: a client encrypts a secret to a site's public key, bound to what it is for. Temporal, and whoever
// reads its histories, sees only the result.
//
// Construction: ephemeral-static X25519 (RFC 7748) → HKDF-SHA256 (RFC 5869; salt: both public keys, info: the
// binding) → AES-256-GCM (NIST SP 800-38D; the key is used once, so the nonce is fixed; additional data: the
// binding). The shape is that of HPKE's base mode (RFC 9180), whose own API Node does not have.
// The plaintext is padded to a multiple of 64 bytes, so that its length does not show.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { SecretsError } from './errors.ts';

/** What Temporal carries; the same shape as contract/secret.ts, so that neither needs the other. */
export interface SealedSecret {
  readonly version: 1;
  readonly sealedTo: string;
  readonly ephemeralKey: string;
  readonly ciphertext: string;
}

/** A sealed secret opens for exactly the Workflow, purpose and subject that it was sealed for. */
export interface Binding {
  readonly workflowId: string;
  readonly purpose: string;
  readonly subject: string;
}

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const PADDING_BYTES = 64;
const MAX_SECRET_BYTES = 4096;
const NONCE = Buffer.alloc(12);

function bindingBytes(binding: Binding): Buffer {
  return Buffer.from(
    JSON.stringify(['rundirect sealed secret 1', binding.workflowId, binding.purpose, binding.subject]),
  );
}

/** The raw 32 bytes of an X25519 public key. */
function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

function importPublicKey(raw: Uint8Array): KeyObject {
  if (raw.byteLength !== KEY_BYTES) {
    throw new SecretsError('InvalidInput', `a public key has ${KEY_BYTES} bytes, this one ${raw.byteLength}`);
  }
  return createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(raw).toString('base64url') },
  });
}

/** `SHA256:` and the base64 of the key's digest, as ssh shows its keys. `publicKey` is base64 of 32 bytes. */
export function fingerprintOf(publicKey: string): string {
  const digest = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}

function deriveKey(own: KeyObject, peer: KeyObject, ephemeral: Buffer, site: Buffer, info: Buffer): Buffer {
  const shared = diffieHellman({ privateKey: own, publicKey: peer });
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, site]), info, KEY_BYTES));
}

function pad(secret: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil((secret.byteLength + 2) / PADDING_BYTES) * PADDING_BYTES);
  padded.writeUInt16BE(secret.byteLength, 0);
  padded.set(secret, 2);
  return padded;
}

/**
 * Seals `secret` (at most 4096 bytes) to the site's public key (base64 of 32 bytes).
 * Throws SecretsError InvalidInput.
 */
export function seal(publicKey: string, secret: Uint8Array, binding: Binding): SealedSecret {
  if (secret.byteLength > MAX_SECRET_BYTES) {
    throw new SecretsError('InvalidInput', `a secret has at most ${MAX_SECRET_BYTES} bytes`);
  }
  const site = Buffer.from(publicKey, 'base64');
  const sitePublic = importPublicKey(site);
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralRaw = rawPublicKey(ephemeral.publicKey);
  const info = bindingBytes(binding);
  const key = deriveKey(ephemeral.privateKey, sitePublic, ephemeralRaw, site, info);
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  cipher.setAAD(info);
  const ciphertext = Buffer.concat([cipher.update(pad(secret)), cipher.final(), cipher.getAuthTag()]);
  return {
    version: 1,
    sealedTo: fingerprintOf(publicKey),
    ephemeralKey: ephemeralRaw.toString('base64'),
    ciphertext: ciphertext.toString('base64'),
  };
}

/**
 * Opens what was sealed to this key for exactly this binding.
 * Throws SecretsError SecretRejected, without saying which part did not match beyond the site key.
 */
export function unseal(
  privateKey: KeyObject,
  publicKey: string,
  sealed: SealedSecret,
  binding: Binding,
): Uint8Array {
  const own = fingerprintOf(publicKey);
  if (sealed.sealedTo !== own) {
    throw new SecretsError(
      'SecretRejected',
      `the ${binding.purpose} was sealed to the site key ${sealed.sealedTo}, but this site has ${own}. ` +
        'Of a new command: check that the right site was named, and pin its key anew with: rundirect site pin. Of what runs ' +
        'already: bring the earlier key back, the file site-key in the state folder of the site, and start its worker again',
    );
  }
  try {
    const ephemeral = Buffer.from(sealed.ephemeralKey, 'base64');
    const box = Buffer.from(sealed.ciphertext, 'base64');
    const info = bindingBytes(binding);
    const site = Buffer.from(publicKey, 'base64');
    const key = deriveKey(privateKey, importPublicKey(ephemeral), ephemeral, site, info);
    const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES });
    decipher.setAAD(info);
    decipher.setAuthTag(box.subarray(box.length - TAG_BYTES));
    const padded = Buffer.concat([
      decipher.update(box.subarray(0, box.length - TAG_BYTES)),
      decipher.final(),
    ]);
    return new Uint8Array(padded.subarray(2, 2 + padded.readUInt16BE(0)));
  } catch (cause) {
    throw new SecretsError(
      'SecretRejected',
      `the ${binding.purpose} for ${binding.subject} does not open: it was sealed for another use, or is damaged`,
      { cause },
    );
  }
}

/** A private key from its PKCS #8 encoding (DER), and its public key (base64 of 32 bytes). */
export function importPrivateKey(pkcs8: Uint8Array): { privateKey: KeyObject; publicKey: string } {
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: rawPublicKey(createPublicKey(privateKey)).toString('base64') };
}

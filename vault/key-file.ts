// The key file of a backup set: its random key, wrapped by what Argon2id makes of the passphrase. Changing the
// passphrase would rewrite this file and no data. Its parameters are read from the file, between limits: below
// them a guess would be too cheap, above them the file could exhaust this machine.
// Source: docs/vault-format.md, "Key file"; RFC 9106 (Argon2).
import {
  argon2,
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { KEY_BYTES, NONCE_BYTES, SALT_BYTES, TAG_BYTES } from './sealing.ts';
import { VaultError } from './vault-error.ts';

export const MAX_KEY_FILE_BYTES = 16 * 1024;
const VERSION = 1;
const KDF = { name: 'argon2id', memoryKiB: 64 * 1024, passes: 3, lanes: 4 } as const;
const CHECK_BYTES = 16;
const deriveArgon2 = promisify(argon2);

const base64 = (bytes: number) =>
  z.string().refine((text) => {
    const decoded = Buffer.from(text, 'base64');
    return decoded.byteLength === bytes && decoded.toString('base64') === text;
  }, `base64 of ${bytes} bytes`);

const keyFileSchema = z.object({
  format: z.literal('rundirect-set-key'),
  version: z.literal(VERSION),
  setId: z.string().min(1),
  createdAt: z.string(),
  kdf: z.object({
    name: z.literal('argon2id'),
    memoryKiB: z
      .number()
      .int()
      .min(64 * 1024)
      .max(1024 * 1024),
    passes: z.number().int().min(3).max(16),
    lanes: z.number().int().min(1).max(16),
    salt: base64(SALT_BYTES),
  }),
  /** AES-256-GCM of the set's key, its tag behind it. */
  wrapped: z.object({ nonce: base64(NONCE_BYTES), key: base64(KEY_BYTES + TAG_BYTES) }),
  /** Tells whether a key is this set's, without the passphrase. */
  keyCheck: base64(CHECK_BYTES),
});
export type KeyFile = z.infer<typeof keyFileSchema>;

/** Makes a new set's key and its key file. */
export async function createKeyFile(
  setId: string,
  createdAt: string,
  passphrase: string,
): Promise<{ keyFile: KeyFile; key: Uint8Array }> {
  const key = randomBytes(KEY_BYTES);
  const kdf = { ...KDF, salt: randomBytes(SALT_BYTES).toString('base64') };
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', await passphraseKey(kdf, passphrase), nonce);
  cipher.setAAD(associatedData(setId));
  const sealed = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  const keyFile: KeyFile = {
    format: 'rundirect-set-key',
    version: VERSION,
    setId,
    createdAt,
    kdf,
    wrapped: { nonce: nonce.toString('base64'), key: sealed.toString('base64') },
    keyCheck: keyCheck(key, setId).toString('base64'),
  };
  return { keyFile, key };
}

/** Throws VaultError FormatUnsupported for a file that this version can't read, damaged ones among them. */
export function parseKeyFile(bytes: Uint8Array, name: string): KeyFile {
  try {
    return keyFileSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch (error) {
    throw new VaultError(
      'FormatUnsupported',
      `The key file ${name} can't be read: it is damaged, was written by a later version, or its parameters are outside the limits.`,
      { cause: error },
    );
  }
}

/** The set's key. Throws VaultError KeyRejected. */
export async function unwrapKey(keyFile: KeyFile, setName: string, passphrase: string): Promise<Uint8Array> {
  const sealed = Buffer.from(keyFile.wrapped.key, 'base64');
  const passphraseDerived = await passphraseKey(keyFile.kdf, passphrase);
  try {
    const nonce = Buffer.from(keyFile.wrapped.nonce, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', passphraseDerived, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(keyFile.setId));
    decipher.setAuthTag(sealed.subarray(KEY_BYTES));
    const key = Buffer.concat([decipher.update(sealed.subarray(0, KEY_BYTES)), decipher.final()]);
    return checkKey(keyFile, setName, key);
  } catch (error) {
    throw new VaultError('KeyRejected', `The passphrase does not open backup set '${setName}'.`, {
      cause: error,
    });
  }
}

/** Gives the key back if it is this set's. Throws VaultError KeyRejected. */
export function checkKey(keyFile: KeyFile, setName: string, key: Uint8Array): Uint8Array {
  const expected = Buffer.from(keyFile.keyCheck, 'base64');
  if (key.byteLength === KEY_BYTES && timingSafeEqual(keyCheck(key, keyFile.setId), expected)) return key;
  throw new VaultError('KeyRejected', `The key is not that of backup set '${setName}'.`);
}

/** Passphrases are normalized (NFC), so that the same letters typed on another keyboard are the same bytes. */
async function passphraseKey(kdf: KeyFile['kdf'], passphrase: string): Promise<Buffer> {
  return deriveArgon2('argon2id', {
    message: Buffer.from(passphrase.normalize('NFC')),
    nonce: Buffer.from(kdf.salt, 'base64'),
    parallelism: kdf.lanes,
    memory: kdf.memoryKiB,
    passes: kdf.passes,
    tagLength: KEY_BYTES,
  });
}

function keyCheck(key: Uint8Array, setId: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.from(setId), 'rundirect key check v1', CHECK_BYTES));
}

function associatedData(setId: string): Buffer {
  return Buffer.from(`rundirect set key v1\n${setId}`);
}

// What must survive a restart and may not lie open: image keys and overlay keys of running sessions. One file
// per entry, AES-256-GCM under a key that only the service's user can read; the entry's name is bound in, so
// that files can't be swapped. Removing an entry is how a key is destroyed: the file holds the only copy.
//
// Several processes of one site may use a store at once: entries are replaced whole, and nothing is cached.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecretsError } from './errors.ts';
import {
  createPrivateFile,
  ifPresent,
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
} from './private-file.ts';

export interface CredentialStore {
  /** Durable on return; replaces. `name` has up to 200 of A-Z, a-z, 0-9, `.`, `_` and `-`. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Undefined when there is no such entry. Throws SecretsError StoreCorrupt. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Durable on return; nothing happens when there is no such entry. */
  remove(name: string): Promise<void>;
  list(): Promise<string[]>;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT_VERSION = 1;
const SUFFIX = '.sealed';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

function additionalData(name: string): Buffer {
  return Buffer.from(`rundirect credential ${FORMAT_VERSION} ${name}`);
}

function encrypt(key: Uint8Array, name: string, bytes: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(additionalData(name));
  const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT_VERSION), nonce, body, cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, name: string, sealed: Buffer): Buffer {
  if (sealed[0] !== FORMAT_VERSION) throw new Error(`format version ${sealed[0] ?? 'missing'}`);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 1 + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(additionalData(name));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  return Buffer.concat([
    decipher.update(sealed.subarray(1 + NONCE_BYTES, sealed.length - TAG_BYTES)),
    decipher.final(),
  ]);
}

async function loadStoreKey(path: string, folder: string): Promise<Uint8Array> {
  let key = await readPrivateFile(path);
  if (key === undefined) {
    const sealed = await namesIn(folder);
    if (sealed.length > 0) throw lost(path, folder, sealed.length);
    await createPrivateFile(path, randomBytes(KEY_BYTES));
    key = await readPrivateFile(path);
  }
  if (key?.byteLength !== KEY_BYTES) {
    throw new SecretsError(
      'KeyUnavailable',
      `${path} is not the credential store's key (${KEY_BYTES} bytes)`,
    );
  }
  return key;
}

/** A new key would open none of them, and pass for the lost one. */
function lost(path: string, folder: string, count: number): SecretsError {
  return new SecretsError(
    'KeyUnavailable',
    `${path} is missing, and ${count} keys of this site's sessions in ${folder} are sealed under it. Restore it from a copy. ` +
      `Where there is none, their changes are lost: remove ${folder}, start again, and stop those sessions`,
  );
}

async function namesIn(folder: string): Promise<string[]> {
  const names = (await ifPresent(readdir(folder))) ?? [];
  return names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
}

/** Opens the store of a site's state folder; makes it and its key at the first call. Throws SecretsError KeyUnavailable. */
export async function openCredentialStore(stateDirectory: string): Promise<CredentialStore> {
  const folder = join(stateDirectory, 'credentials');
  const key = await loadStoreKey(join(stateDirectory, 'credential-store-key'), folder);

  const pathOf = (name: string): string => {
    if (!NAME.test(name)) throw new SecretsError('InvalidInput', `'${name}' can't name a stored credential`);
    return join(folder, name + SUFFIX);
  };

  return {
    put: (name, bytes) => writePrivateFile(pathOf(name), encrypt(key, name, bytes)),
    remove: (name) => removePrivateFile(pathOf(name)),
    async get(name) {
      const path = pathOf(name);
      const sealed = await ifPresent(readFile(path));
      if (sealed === undefined) return undefined;
      try {
        return new Uint8Array(decrypt(key, name, sealed));
      } catch (cause) {
        throw new SecretsError(
          'StoreCorrupt',
          `${path} does not open: damaged, or sealed under another key`,
          {
            cause,
          },
        );
      }
    },
    list: () => namesIn(folder),
  };
}

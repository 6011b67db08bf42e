// Volumes on disk: an overlay's folder, and its key in the site's credential store. A volume is deleted by its key
// first: what is left of the files can't be read by anybody from then on.
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CredentialStore } from '../secrets/index.ts';
import { GatewayError } from './gateway-error.ts';
import { type BaseReader, Overlay, openFolderStorage } from './overlay/index.ts';
import { overlayPath } from './state-directory.ts';
import { syncDirectory } from './state-file.ts';

const KEY_BYTES = 32;

const overlayKeyName = (volume: number): string => `overlay-${volume}`;
const setKeyName = (volume: number): string => `backup-set-key-${volume}`;

export interface OpenVolumeOptions {
  readonly quotaBytes: number;
  readonly base: BaseReader;
  readonly firstId?: number;
  /** See OverlayOptions. */
  readonly mustExist?: boolean;
  readonly onProblem: (error: Error) => void;
}

export class VolumeStore {
  readonly #stateDirectory: string;
  readonly #credentials: CredentialStore;

  constructor(stateDirectory: string, credentials: CredentialStore) {
    this.#stateDirectory = stateDirectory;
    this.#credentials = credentials;
  }

  /** Makes the volume's key, and keeps that of the backup set where it has one. */
  async createKeys(volume: number, setKey?: Uint8Array): Promise<void> {
    if (setKey !== undefined) await this.#credentials.put(setKeyName(volume), setKey);
    await this.#credentials.put(overlayKeyName(volume), randomBytes(KEY_BYTES));
  }

  async hasKey(volume: number): Promise<boolean> {
    return (await this.#credentials.get(overlayKeyName(volume))) !== undefined;
  }

  setKey(volume: number): Promise<Uint8Array> {
    return this.#key(setKeyName(volume));
  }

  /** Throws OverlayError, and GatewayError where the key is gone. */
  async open(volume: number, options: OpenVolumeOptions): Promise<Overlay> {
    const key = await this.#key(overlayKeyName(volume));
    const path = overlayPath(this.#stateDirectory, volume);
    const storage = await openFolderStorage(path);
    await syncDirectory(dirname(path));
    return Overlay.open({ storage, key, ...options });
  }

  /** Keys, then files. Nothing happens where it is gone. */
  async delete(volume: number): Promise<void> {
    await this.#credentials.remove(overlayKeyName(volume));
    await this.#credentials.remove(setKeyName(volume));
    const path = overlayPath(this.#stateDirectory, volume);
    await rm(path, { recursive: true, force: true });
    await syncDirectory(dirname(path));
  }

  async #key(name: string): Promise<Uint8Array> {
    const key = await this.#credentials.get(name);
    if (key !== undefined) return key;
    throw new GatewayError(
      'Unexpected',
      `The credential store in ${this.#stateDirectory} has no '${name}': without it the session's changes can't be read. ` +
        'Restore the store from a copy, or stop the session to discard its changes.',
    );
  }
}

// The gateway's inside without its servers: exports and their file system, opened and closed at will.

import { openCredentialStore } from '../../secrets/index.ts';
import { openVault } from '../../vault/index.ts';
import { ExportFileSystem } from '../export-file-system.ts';
import { Exports, type OpenVm } from '../exports.ts';
import { Registry } from '../registry.ts';
import { makeStateDirectory } from '../state-directory.ts';
import { VolumeStore } from '../volume-store.ts';
import { silentLog } from './fixture.ts';

export interface OpenExports extends AsyncDisposable {
  readonly exports: Exports;
  readonly fileSystem: ExportFileSystem;
  readonly registry: Registry;
}

export const openRealVm: OpenVm = async ({ vault, backupSet, jobId, vmName }, setKey) => {
  const set = await (await openVault(vault)).openSetWithKey(backupSet, setKey);
  return set.openVm(jobId, vmName);
};

/** What a start of the gateway does, up to the point where it listens. */
export async function openExports(
  stateDirectory: string,
  openVm: OpenVm = openRealVm,
  spaceLimitBytes = Number.MAX_SAFE_INTEGER,
): Promise<OpenExports> {
  await makeStateDirectory(stateDirectory);
  const registry = await Registry.open(stateDirectory);
  const volumes = new VolumeStore(stateDirectory, await openCredentialStore(stateDirectory));
  const exports = new Exports({
    stateDirectory,
    registry,
    volumes,
    openVm,
    advertise: '127.0.0.1',
    spaceLimitBytes,
    log: silentLog,
  });
  await exports.restore();
  const fileSystem = new ExportFileSystem({
    shares: exports.shares,
    instance: registry.instance,
    totals: (share) => exports.space.totals(share.targetId),
  });
  return { exports, fileSystem, registry, [Symbol.asyncDispose]: () => exports.close() };
}

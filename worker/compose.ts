// Puts the engines together: the one place of the worker that constructs them.
import { join } from 'node:path';
import type { ActivityDeps } from '../activities/index.ts';
import { controlSocketPath, GatewayClient, siteStateDirectory } from '../gateway/index.ts';
import { loadSiteKey } from '../secrets/index.ts';
import { initVault, openVault } from '../vault/index.ts';
import { openVmFolder } from '../vm-folder/index.ts';
import { connect, readFingerprint } from '../vsphere/index.ts';
import type { WorkerConfig } from './config.ts';
import { targetSessions } from './target-sessions.ts';

export interface Engines extends AsyncDisposable {
  readonly deps: ActivityDeps;
}

/** Throws SecretsError KeyUnavailable when the site's key can't be used, GatewayError InvalidInput for too long a path. */
export async function composeEngines({
  site,
  stateDirectory,
  allow,
  parallelMigrations,
}: Pick<WorkerConfig, 'site' | 'stateDirectory' | 'allow' | 'parallelMigrations'>): Promise<Engines> {
  // Before anything is made in a folder that can't be one.
  const gateway = new GatewayClient(controlSocketPath(stateDirectory));
  const targets = targetSessions({ connect, readFingerprint });
  return {
    deps: {
      site,
      siteKey: await loadSiteKey(stateDirectory),
      vaults: { init: initVault, open: openVault },
      vmFolders: { open: openVmFolder },
      gateway,
      targets,
      allow,
      parallelMigrations,
      drillReports: join(stateDirectory, 'drills'),
      proofs: join(stateDirectory, 'proofs'),
    },
    [Symbol.asyncDispose]: () => targets[Symbol.asyncDispose](),
  };
}

export { siteStateDirectory };

// What an Activity works with, in a test: what is given, and for the rest something that says so when it is asked.
import type { ActivityDeps } from '../activities/index.ts';
import { FakeGateway } from './fake-gateway.ts';

const SECRET = 'secret';

/** The site's key opens every secret as `secret`, unless a key is given. */
export function activityDeps(given: Partial<ActivityDeps>): ActivityDeps {
  return {
    ...{ site: 'main', gateway: new FakeGateway(), allow: [], drillReports: '/none', proofs: '/none' },
    parallelMigrations: 2,
    siteKey: { publicKey: '', fingerprint: '', open: () => new TextEncoder().encode(SECRET) },
    targets: { use: notUsed, readFingerprint: notUsed },
    vaults: { init: notUsed, open: notUsed },
    vmFolders: { open: notUsed },
    ...given,
  };
}

async function notUsed(): Promise<never> {
  throw new Error('not used here');
}

// Publishes a VM at a job in the gateway: its disks with an overlay for changes, its small files made fit for
// the session. The gateway reserves the space; publishing the same again is the same export.
import type { PublishInput, SessionExport } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import { publishedNetwork } from './drill/isolation.ts';
import { gatewayFactor } from './preflight/gateway-look.ts';
import { absolute } from './production-place.ts';
import { unlockSource } from './source.ts';
import type { Step } from './step.ts';
import { assertOwnSession } from './target.ts';
import { changesPath } from './vm-standing.ts';

export async function publish(
  deps: Pick<ActivityDeps, 'vaults' | 'siteKey' | 'gateway'>,
  { sessionId, source, placement, network, mac, uuid, reserveFactor }: PublishInput,
  step: Step,
): Promise<SessionExport> {
  assertOwnSession(step, sessionId);
  const set = await unlockSource(deps, source, step);
  const changes = changesPath({ placement });
  const { vault, backupSet, jobId, vmName } = source;
  const { remoteHost, remotePath, vmxPath } = await deps.gateway.publish({
    sessionId,
    targetId: placement.targetId,
    allow: [...placement.allow],
    source: { vault, backupSet, jobId, vmName, setKey: Buffer.from(set.key).toString('base64') },
    vmx: {
      ...{ displayName: placement.vmName, network: publishedNetwork(sessionId, network), mac, uuid },
      ...(changes === undefined ? {} : { changesDirectory: absolute(changes) }),
    },
    reserveFactor: gatewayFactor(placement.changes, reserveFactor),
  });
  return { remoteHost, remotePath, vmxPath };
}

// What a mount that stands tells: that the host reached the gateway, as which address, and that a second one is
// recognised, as it must be where two sessions start at once.
import type { ProveRow, TargetStepInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { withHostLock } from '../host-mount.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { trial, Unmet } from './trial.ts';

export async function proveMount(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: TargetStepInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  const { placement, exported } = input;
  const { gateway } = deps;
  const tried = trial(step);
  await tried.attempt('mountArrives', async () => {
    const seen = (await gateway.mounts()).filter(({ targetId }) => targetId === placement.targetId);
    const last = seen.at(-1);
    if (last !== undefined) return `from ${last.address}, at ${last.at}`;
    throw new Unmet(
      `no MOUNT of ${exported.remotePath} arrived since the gateway was started: the datastore may have been mounted before`,
    );
  });
  await withTarget(deps, step, input.target, (vsphere) =>
    withHostLock(gateway, input, step, async () => {
      await tried.attempt('mountAgain', async (signal) => {
        const { remoteHost, remotePath } = exported;
        const spec = { name: placement.datastore, remoteHost, remotePath };
        const answer = await vsphere.repeatNasDatastore(placement.host.moref, spec, { signal });
        return answer.fault === undefined
          ? 'the host made nothing new of it'
          : `refused with ${answer.fault}; the one that stands is the same export`;
      });
    }),
  );
  return tried.rows(['mountArrives', 'mountAgain']);
}

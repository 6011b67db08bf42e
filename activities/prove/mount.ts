// What a mount that stands tells: that the host reached the gateway, as which address, and that a second one is
// recognised, as it must be where two sessions start at once.
import type { ProveRow, TargetStepInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { withHostLock } from '../host-mount.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { trial } from './trial.ts';

export async function proveMount(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: TargetStepInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  const { placement, exported } = input;
  const { gateway } = deps;
  const tried = trial(step);
  const seen = (await gateway.mounts()).filter(({ targetId }) => targetId === placement.targetId).at(-1);
  if (seen !== undefined)
    await tried.attempt('mountArrives', async () => `from ${seen.address}, at ${seen.at}`);
  else tried.skip('mountArrives', 'the datastore was mounted before the gateway was started');
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

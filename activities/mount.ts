// Mounts the gateway as an NFS datastore on the session's host, and sees that the host can use it.
import type { TargetStepInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import { ensureMounted, unreachable, withHostLock } from './host-mount.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';

export async function mount(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: TargetStepInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) =>
    withHostLock(deps.gateway, input, step, async () => {
      await ensureMounted(deps.gateway, vsphere, input, step);
      const { datastores } = await vsphere.inventory({ signal: step.signal });
      const { datastore, host } = input.placement;
      const mounted = datastores.find(({ name, hosts }) => name === datastore && hosts.includes(host.moref));
      if (mounted?.accessible !== true) throw unreachable(input);
    }),
  );
}

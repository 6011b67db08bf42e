// Gives a session's lease back and unmounts the datastore when nobody needs it: no other session, and no VM that
// somebody put there. Not mounted is done.
import type { UnmountInput, UnmountResult } from '../contract/index.ts';
import type { Vsphere } from '../vsphere/index.ts';
import type { ActivityDeps } from './deps.ts';
import { otherLeases, releaseLease, removeMarked, withHostLock } from './host-mount.ts';
import { removeOwnVm } from './own-vm.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';

export async function unmount(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: UnmountInput,
  step: Step,
): Promise<UnmountResult> {
  assertOwnSession(step, input.sessionId);
  const { gateway } = deps;
  return withTarget(deps, step, input.target, (vsphere) =>
    withHostLock(gateway, input, step, async () => {
      // A registration of ours that was still under way when it was undone has arrived by now.
      await removeOwnVm(vsphere, { ...input, moref: undefined }, step);
      await releaseLease(gateway, input);
      const others = await otherLeases(gateway, input);
      if (others.length > 0) return stays(`${others.length} other session(s) use it`);
      const guest = await vmOn(vsphere, input.placement, step);
      if (guest !== undefined) return stays(`VM ${guest} lies on it and is no session's`);
      await removeMarked(gateway, vsphere, input, step);
      return { unmounted: true, reason: undefined };
    }),
  );
}

const stays = (reason: string): UnmountResult => ({ unmounted: false, reason });

/** A VM or a template of this host with a file there; what other hosts have on it, they have by their own mount. */
async function vmOn(
  vsphere: Vsphere,
  { datastore, host }: UnmountInput['placement'],
  { signal }: Step,
): Promise<string | undefined> {
  for await (const vm of vsphere.listVms({ templates: true, signal })) {
    if (vm.host !== undefined && vm.host !== host.moref) continue;
    const files = [vm.vmPathName, ...vm.diskFiles];
    if (files.some((file) => file.startsWith(`[${datastore}] `))) return vm.name;
  }
  return undefined;
}

// Gives a session's lease back and unmounts the datastore when nobody needs it: no other session, and no VM that
// somebody put there. Not mounted is done.
import type { UnmountInput, UnmountResult } from '../contract/index.ts';
import type { Vsphere } from '../vsphere/index.ts';
import type { ActivityDeps, Gateway } from './deps.ts';
import { failureFor } from './failures.ts';
import { mayBeMountedOn, otherLeases, releaseLease, removeMarked, withHostLock } from './host-mount.ts';
import { removeOwnVm } from './own-vm.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';
import { isOfSession } from './vm-standing.ts';

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
      const guest = await vmOn(vsphere, input, step);
      await releaseLease(gateway, input);
      const others = await otherLeases(gateway, input);
      if (others.length > 0) return stays(`${others.length} other session(s) use it`);
      if (guest !== undefined) return stays(`VM ${guest} lies on it and is no session's`);
      const elsewhere = await removeMarked(gateway, vsphere, input, step);
      return { unmounted: true, reason: await strayWords(gateway, input, elsewhere) };
    }),
  );
}

/** Of hosts that somebody mounted it on by hand: no session takes it away from there. */
async function strayWords(
  gateway: Gateway,
  { sessionId, placement: { targetId, datastore } }: UnmountInput,
  hosts: Awaited<ReturnType<typeof removeMarked>>,
): Promise<string | undefined> {
  const morefs = hosts.map(({ moref }) => moref);
  const { free } = await mayBeMountedOn(gateway, { targetId, datastore, sessionId }, morefs);
  if (free.length === 0) return undefined;
  const names = hosts.filter(({ moref }) => free.includes(moref)).map(({ name }) => name);
  return `${names.join(', ')} has it mounted, too, and no session there: unmount it by hand`;
}

const stays = (reason: string): UnmountResult => ({ unmounted: false, reason });

/**
 * A VM or a template of this host with a file there; what other hosts have on it, they have by their own mount. Throws
 * ResourceInUse for one that has a file of the session's own, on whatever host: that goes with the export.
 */
async function vmOn(vsphere: Vsphere, input: UnmountInput, { signal }: Step): Promise<string | undefined> {
  const { datastore, host } = input.placement;
  let guest: string | undefined;
  for await (const vm of vsphere.listVms({ templates: true, signal })) {
    const files = [vm.vmPathName, ...vm.diskFiles];
    const ours = files.find((file) => isOfSession(file, input));
    if (ours !== undefined) {
      throw failureFor(
        'ResourceInUse',
        `${vm.name} (${vm.moref}) uses ${ours}, which goes with the session's changes. Take that disk off it, migrate it, ` +
          'or unregister it',
      );
    }
    const isHere = vm.host === undefined || vm.host === host.moref;
    if (isHere && files.some((file) => file.startsWith(`[${datastore}] `))) guest ??= vm.name;
  }
  return guest;
}

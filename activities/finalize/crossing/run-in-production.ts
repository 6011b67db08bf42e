// Lets the VM run in production, the point of no return: as soon as it has, the fence around the old one is sealed.
// A VM that was off is not powered on; it has arrived with its registration.
import type { InProductionInput } from '../../../contract/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { bySession, powerOnAsMoved } from '../../power-on-vm.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';

export async function runInProduction(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: InProductionInput & { readonly powerOn: boolean },
  step: Step,
): Promise<{ readonly runsAtMs: number }> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    if (input.powerOn) await powerOnAsMoved(vsphere, input.there, bySession(input.sessionId), step);
    const runsAtMs = Date.now();
    await deps.gateway.sealFence(input.sessionId);
    return { runsAtMs };
  });
}

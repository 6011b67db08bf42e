// Whether a VM in production is what it is to be: every file where the plan says, its power state as it was, and its
// guest alive where it was before. Only then may its original go.
import type { ArrivalProof, ProveArrivalInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { filesElsewhere } from './arrival.ts';

export async function proveArrival(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: ProveArrivalInput,
  step: Step,
): Promise<ArrivalProof> {
  assertOwnSession(step, input.sessionId);
  const { moref, plan, powerState, heartbeatTimeoutMs } = input;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    const vm = await vsphere.readVm(moref, { signal });
    if (vm === undefined) return { proven: false, detail: `${moref} is not in the inventory any more` };
    const [elsewhere] = filesElsewhere(vm, plan);
    if (elsewhere !== undefined) return { proven: false, detail: `${elsewhere} is not where it was to go` };
    if (vm.powerState !== powerState) {
      return { proven: false, detail: `${vm.name} is ${vm.powerState}, and was ${powerState ?? 'unknown'}` };
    }
    if (heartbeatTimeoutMs === 0)
      return { proven: true, detail: `${vm.name} is ${vm.powerState}, as before` };
    const isAlive = await vsphere.waitForVm(
      moref,
      ({ guestHeartbeatStatus }) => guestHeartbeatStatus === 'green',
      {
        timeoutMs: heartbeatTimeoutMs,
        signal,
      },
    );
    return isAlive === undefined
      ? { proven: false, detail: `no heartbeat came from the guest of ${vm.name}` }
      : { proven: true, detail: `the guest of ${vm.name} is alive` };
  });
}

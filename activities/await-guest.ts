// Waits for the guest's first heartbeat: VMware Tools run, so the guest booted.
import type { AwaitGuestInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';
import { withTarget } from './target.ts';

/** `readyAtMs` is undefined when no heartbeat came in time. */
export async function awaitGuest(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: AwaitGuestInput,
  step: Step,
): Promise<{ readonly readyAtMs: number | undefined }> {
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { timeoutMs } = input;
    const up = await vsphere.waitForVm(
      input.moref,
      ({ guestHeartbeatStatus }) => guestHeartbeatStatus === 'green' || guestHeartbeatStatus === 'yellow',
      { timeoutMs, signal: step.signal },
    );
    return { readyAtMs: up === undefined ? undefined : Date.now() };
  });
}

// Lets the VM run in production, the point of no return: as soon as it has, the fence around the old one is sealed.
// A VM that was off is not powered on; it has arrived with its registration.
import type { InProductionInput, SessionReport } from '../../../contract/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';

export async function runInProduction(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: InProductionInput & { readonly powerOn: boolean },
  step: Step,
): Promise<{ readonly runsAtMs: number }> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    if (input.powerOn) {
      await vsphere.powerOnVm(input.there, {
        movedOrCopied: 'moved',
        signal: step.signal,
        onQuestion: ({ text, choices }) => {
          const answers = choices.map(({ label }) => label).join(' / ');
          const message = `The host asks, answer it in the vSphere Client: ${text} (${answers})`;
          const report: SessionReport = { kind: 'note', level: 'warning', message };
          step.report(report).catch(() => undefined);
        },
      });
    }
    const runsAtMs = Date.now();
    await deps.gateway.sealFence(input.sessionId);
    return { runsAtMs };
  });
}

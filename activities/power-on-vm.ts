// Powers the session's VM on. The host asks whether the VM was moved or copied: it was moved, so that its
// addresses stay. Any other question is shown in the session and left to a person. No guest runs from disks that are
// held back for a copy: whatever limit is left is lifted first.
import type { RunningVmInput, SessionReport } from '../contract/index.ts';
import type { Vsphere } from '../vsphere/index.ts';
import type { ActivityDeps } from './deps.ts';
import { assertIsolated } from './drill/isolation.ts';
import { failureFor } from './failures.ts';
import { ownVm } from './own-vm.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';

export async function powerOnVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: RunningVmInput,
  step: Step,
): Promise<{ readonly poweredOnAtMs: number }> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const vm = await ownVm(vsphere, input, step);
    if (vm === undefined) throw failureFor('NotFound', `${input.moref} is not in the inventory any more`);
    await assertIsolated(vsphere, input, vm, step);
    await deps.gateway.liftReadLimit(input.sessionId);
    // Nobody watches the VM yet, so the session has no question to be answered.
    await powerOnAsMoved(vsphere, vm.moref, 'in the vSphere Client', step);
    return { poweredOnAtMs: Date.now() };
  });
}

/** How somebody answers the host while a session's VM is watched. */
export const bySession = (sessionId: string): string => `with rundirect answer ${sessionId}`;

/**
 * Returns when the VM runs; a question that is not about its place is told in the session, and waited for.
 * @param answered is how, in words: `in the vSphere Client`.
 */
export async function powerOnAsMoved(
  vsphere: Vsphere,
  moref: string,
  answered: string,
  step: Pick<Step, 'signal' | 'report'>,
): Promise<void> {
  await vsphere.powerOnVm(moref, {
    movedOrCopied: 'moved',
    signal: step.signal,
    onQuestion: ({ text, choices }) => {
      const answers = choices.map(({ label }) => label).join(' / ');
      const message = `The host asks, answer it ${answered}: ${text} (${answers})`;
      const report: SessionReport = { kind: 'note', level: 'warning', message };
      step.report(report).catch(() => undefined);
    },
  });
}

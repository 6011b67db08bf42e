// Answers a question that the host asks about the session's VM, with the choice that somebody made.
import type { AnswerQuestionInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import { failureFor } from './failures.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';
import { findCrossing, hasMark } from './vm-standing.ts';

export async function answerQuestion(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: AnswerQuestionInput,
  step: Step,
): Promise<void> {
  const { sessionId, moref, questionId, choiceKey } = input;
  const { signal } = step;
  assertOwnSession(step, sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    // Half way to production it has another reference.
    const vm = (await vsphere.readVm(moref, { signal })) ?? (await findCrossing(vsphere, input, step));
    if (vm === undefined) throw failureFor('NotFound', `${moref} is not in the target's inventory any more`);
    if (!hasMark(vm, sessionId)) {
      throw failureFor(
        'NotOurs',
        `${vm.name} (${vm.moref}) does not carry the session's mark: it is not answered for`,
      );
    }
    if (vm.question?.id === questionId) await vsphere.answerVm(vm.moref, questionId, choiceKey, { signal });
  });
}

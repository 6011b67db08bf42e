// Takes the session's marks off a VM that lives in production now, so that no later clean-up can take it, or a
// clone of it, for a session's. It is reconfigured and never powered off; one that is gone needs nothing.
import type { HandOverResult, RunningVmInput } from '../../contract/index.ts';
import { SESSION_KEY, withoutMark } from '../../vm-folder/index.ts';
import type { Vm, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { hasMark, standingAt } from '../vm-standing.ts';

const ACTION_KEY = 'uuid.action';
/** What leads a VM's changes away from its own folder, where somebody migrated it with its configuration as it was. */
const REDIRECTION_KEYS = ['workingDir', 'snapshot.redoNotWithParent'];

export async function handOverVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: RunningVmInput,
  step: Step,
): Promise<HandOverResult> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    const vm = await vsphere.readVm(input.moref, { signal });
    if (vm === undefined) return { location: undefined };
    const { standing, detail } = await standingAt(vsphere, vm, input, step);
    if (standing !== 'moved') {
      throw failureFor('NotOurs', `${vm.name} still has files of the session: ${detail}`);
    }
    if (isMarked(vm, input.sessionId)) await unmark(vsphere, vm, input, step);
    return { location: vm.vmPathName };
  });
}

const withoutRedirection = ({ extraConfig }: Vm): Record<string, string> =>
  Object.fromEntries(REDIRECTION_KEYS.filter((key) => key in extraConfig).map((key) => [key, '']));

async function unmark(
  vsphere: Vsphere,
  vm: Vm,
  { sessionId, placement }: RunningVmInput,
  { signal }: Step,
): Promise<void> {
  const annotation = withoutMark(vm.annotation, sessionId);
  // An empty value removes the key.
  const extraConfig = {
    ...{ [SESSION_KEY]: '', [ACTION_KEY]: '' },
    ...(placement.changes === undefined ? {} : withoutRedirection(vm)),
  };
  await vsphere.reconfigureVm(vm.moref, { extraConfig, annotation }, { signal });
  // The annotation is a word to people, and not worth holding on to the VM for.
  const after = await vsphere.readVm(vm.moref, { signal });
  if (after === undefined || !hasMark(after, sessionId)) return;
  throw failureFor('TaskInProgress', `${vm.name} still carries the session's mark after it was taken off`);
}

function isMarked(vm: Vm, sessionId: string): boolean {
  return hasMark(vm, sessionId) || withoutMark(vm.annotation, sessionId) !== vm.annotation;
}

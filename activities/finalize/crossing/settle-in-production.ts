// Settles the VM that runs in production: its cards go where the plan says, and the changes, which still are the session's,
// are merged into the copies: from then on every disk of it lies in production alone. A VM that was registered anew has no snapshot in its tree, so what stands
// above the copies is redundant to the host, and ConsolidateVMDisks merges that. Where a host sees nothing to
// consolidate, a snapshot that is taken and removed with all others makes it look again (VMware KB 1002310).
import type { InProductionInput, SettleInProductionInput } from '../../../contract/index.ts';
import type { Vm, Vsphere } from '../../../vsphere/index.ts';
import { connectCards } from '../../connect-cards.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { isOfSession } from '../../vm-standing.ts';

export async function settleInProduction(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: SettleInProductionInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const { there: moref } = input;
    const { signal } = step;
    await connectCards(vsphere, await read(vsphere, input, step), input.cards, step);
    const isMerged = async (): Promise<boolean> =>
      layersLeft(await read(vsphere, input, step), input).length === 0;
    if (await isMerged()) return;
    await vsphere.consolidateDisks(moref, { signal });
    if (await isMerged()) return;
    const vm = await read(vsphere, input, step);
    // Somebody's snapshot is not removed with ours.
    if ((vm.snapshots ?? []).length === 0) await mergeBySnapshot(vsphere, input, step);
    if (await isMerged()) return;
    const left = layersLeft(await read(vsphere, input, step), input).join(', ');
    throw failureFor(
      'TaskInProgress',
      `${vm.name} runs in production, and its changes are not merged yet: ${left}. Remove its snapshots, if it has any`,
    );
  });
}

async function mergeBySnapshot(
  vsphere: Vsphere,
  { there, sessionId }: InProductionInput,
  { signal }: Step,
): Promise<void> {
  const spec = { name: `rundirect-${sessionId}`, description: '', memory: false, quiesce: false } as const;
  await vsphere.createSnapshot(there, spec, { signal });
  await vsphere.removeAllSnapshots(there, { signal });
}

async function read(vsphere: Vsphere, { there }: InProductionInput, { signal }: Step): Promise<Vm> {
  const vm = await vsphere.readVm(there, { signal });
  if (vm === undefined) throw failureFor('NotFound', `${there} is not in the target's inventory any more`);
  return vm;
}

/** Layers of the VM's disks that still are the session's. */
function layersLeft({ disks }: Vm, input: InProductionInput): readonly string[] {
  return disks
    .flatMap(({ fileName, parents }) => [fileName, ...parents])
    .filter((file) => isOfSession(file, input));
}

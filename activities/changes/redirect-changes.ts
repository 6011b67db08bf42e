// Lets a VM that is registered, and off, go on in disks of changes on a production datastore. Its .vmx names the folder
// for them (workingDir, snapshot.redoNotWithParent); a snapshot makes them. Then the VM is read back: unless every disk
// of it goes on there, it is not powered on, because it would write to the gateway.
import type { RunningVmInput } from '../../contract/index.ts';
import type { Vm } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { ownVm } from '../own-vm.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { changesPath, isRedirected } from '../vm-standing.ts';

export async function redirectChanges(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: RunningVmInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const folder = changesPath(input);
  if (folder === undefined) return;
  const { signal } = step;
  await withTarget(deps, step, input.target, async (vsphere) => {
    const vm = await ownVm(vsphere, input, step);
    if (vm === undefined) throw failureFor('NotFound', `${input.moref} is not in the inventory any more`);
    const snapshot = {
      name: changesSnapshot(input),
      description: "Run Direct keeps the session's changes apart from its backup: do not remove this",
      memory: false,
      quiesce: false,
    } as const;
    await vsphere.createSnapshot(vm.moref, snapshot, { signal });
    const after = await vsphere.readVm(vm.moref, { signal });
    if (after === undefined) throw failureFor('NotFound', `${vm.moref} is not in the inventory any more`);
    const here = after.disks.filter((disk) => !isRedirected(disk, input));
    if (here.length > 0) throw notRedirected(after, here, folder);
  });
}

/** The one snapshot of a session whose changes go to a production datastore. */
export const changesSnapshot = ({ sessionId }: Pick<RunningVmInput, 'sessionId'>): string =>
  `rundirect-${sessionId}-changes`;

function notRedirected({ name }: Vm, disks: Vm['disks'], folder: string): Error {
  const found = disks.map(({ fileName, parents }) => [fileName, ...parents].join(' on ')).join('; ');
  return failureFor(
    'NotSupported',
    `${name} is not powered on: after a snapshot its changes should go to ${folder}, and of these disks they do ` +
      `not: ${found}. An independent disk is left out by snapshots, and a host may not heed workingDir. Start it with ` +
      '--changes gateway',
  );
}

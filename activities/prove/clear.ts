// Clears what a round made on the target, whatever became of it: its VM, wherever that lives now; its folder on the
// production datastore; its network. The mount and the export are cleared by the steps of sessions afterwards.
//
// A VM is the round's when it carries the round's mark or its name: both hold the proof's random id, which nobody
// else has. None is done.
import { type ClearProveInput, proveOfSession, proveVmName } from '../../contract/index.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import { type Vsphere, VsphereError } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { filesOf } from '../vm-standing.ts';
import { proveNetwork } from './network.ts';
import { assertOwnProof } from './own-proof.ts';
import { homeOf } from './production.ts';

export async function clearProve(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: ClearProveInput,
  step: Step,
): Promise<void> {
  const { sessionId, host, datastore } = input;
  assertOwnSession(step, sessionId);
  assertOwnProof(step, proveOfSession(sessionId) ?? '');
  const { signal } = step;
  await withTarget(deps, step, input.target, async (vsphere) => {
    for (const moref of await ownVms(vsphere, sessionId, signal))
      await removeVm(vsphere, input, moref, signal);
    if (datastore !== undefined) {
      await vsphere.deleteDatastoreFile(homeOf({ sessionId, datastore }), { signal });
    }
    await vsphere.removeIsolatedPortGroup(host.moref, proveNetwork(sessionId), { signal });
  });
}

async function ownVms(vsphere: Vsphere, sessionId: string, signal: AbortSignal): Promise<readonly string[]> {
  const marked = await vsphere.findVmsByExtraConfig(SESSION_KEY, sessionId, { signal });
  const named = await vsphere.findVmsByName(proveVmName(sessionId), { signal });
  return [...new Set([...marked, ...named].map(({ moref }) => moref))];
}

/** One that lives in production altogether goes with its files; of another, the files go with the export. */
async function removeVm(
  vsphere: Vsphere,
  { datastore }: ClearProveInput,
  moref: string,
  signal: AbortSignal,
): Promise<void> {
  if (vsphere.isVirtualCenter && datastore !== undefined) {
    await endRelocation(vsphere, moref, datastore.moref, signal);
  }
  await vsphere.powerOffVm(moref, { signal });
  const vm = await vsphere.readVm(moref, { signal });
  if (vm === undefined) return;
  const isThere = filesOf(vm).every((file) => file.startsWith(`[${datastore?.name ?? ''}] `));
  if (isThere) await vsphere.destroyVm(moref, { signal });
  else await vsphere.unregisterVm(moref, { signal });
}

/** A relocation whose signal is aborted from the start begins nothing: it attaches to what runs, and cancels it. */
async function endRelocation(
  vsphere: Vsphere,
  moref: string,
  datastore: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await vsphere.relocateVm(moref, { datastore }, { signal: AbortSignal.abort(), detach: signal });
  } catch (error) {
    const isOver = error instanceof VsphereError && error.code !== 'TargetUnavailable';
    if (!isOver || signal.aborted) throw error;
  }
}

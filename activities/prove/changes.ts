// Changes on a production datastore: the .vmx says that deltas go into another folder, and a snapshot makes the
// first one there. The VM then runs on it, its base at the gateway.
import { type ProveProductionInput, type ProveRow, primitivesOf, proveVmName } from '../../contract/index.ts';
import { parseVmx } from '../../vm-folder/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { absolute } from '../production-place.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { vmxOf } from '../vm-standing.ts';
import { homeOf, noFolders } from './production.ts';
import { takeSnapshot } from './snapshot.ts';
import { trial, Unmet } from './trial.ts';

const ROWS = primitivesOf('changes');

export async function proveChanges(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: ProveProductionInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  const tried = trial(step);
  const cannot = noFolders(input);
  if (cannot !== undefined) {
    for (const row of ROWS) tried.skip(row, cannot);
    return tried.rows(ROWS);
  }
  return withTarget(deps, step, input.target, async (vsphere) => {
    let moref = '';
    const isThere = await tried.attempt('redoElsewhere', async (signal) => {
      moref = await registerWithRedo(vsphere, input, signal);
      const { fileName, parents } = await takeSnapshot(vsphere, moref, signal);
      const seen = `${fileName} over ${parents.join(', ')}`;
      if (fileName.startsWith(`${homeOf(input)}/`)) return seen;
      throw new Unmet(`the delta is not in workingDir (${absolute(homeOf(input))}): ${seen}`);
    });
    if (isThere) {
      await tried.attempt('runOnRedo', async (signal) => {
        await vsphere.powerOnVm(moref, { movedOrCopied: 'moved', signal });
        return 'it is on';
      });
    }
    return tried.rows(ROWS);
  });
}

/** Before the VM is registered, because a host reads these keys then. */
async function registerWithRedo(
  vsphere: Vsphere,
  input: ProveProductionInput,
  signal: AbortSignal,
): Promise<string> {
  const { folder, resourcePool: pool, host } = input.placement;
  const path = vmxOf(input);
  await vsphere.makeDirectory(homeOf(input), { signal });
  const vmx = parseVmx(await vsphere.downloadFile(path, { signal })).with({
    workingDir: absolute(homeOf(input)),
    'snapshot.redoNotWithParent': 'TRUE',
  });
  await vsphere.uploadFile(path, Buffer.from(vmx.serialize()), { signal });
  const name = proveVmName(input.sessionId);
  return vsphere.registerVm({ folder, path, name, pool, host: host.moref }, { signal });
}

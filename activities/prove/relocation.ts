// RelocateVM_Task to the production datastore, of a VM that runs and of one that is off. A host alone has none.
import {
  type ProvePrimitive,
  type ProveProductionInput,
  type ProveRow,
  primitivesOf,
} from '../../contract/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { isObjectStore } from '../preflight/production-datastore.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { filesOf } from '../vm-standing.ts';
import { bootedOnce } from './production.ts';
import { type Trial, trial, Unmet } from './trial.ts';
import { awaitGuestWrites } from './watch-files.ts';

type Input = ProveProductionInput & { readonly moref: string };
type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>;

const LIVE_ROWS = primitivesOf('live');
const COLD_ROWS = primitivesOf('cold');

export async function proveLive(deps: Deps, input: Input, step: Step): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  const { moref, datastore } = input;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const tried = trial(step);
    const isClean = await tried.attempt('checkRelocate', async (signal) => {
      await vsphere.powerOnVm(moref, { movedOrCopied: 'moved', signal });
      await awaitGuestWrites(deps.gateway, input.sessionId, signal);
      const { errors, warnings } = await vsphere.checkRelocate(
        moref,
        { datastore: datastore.moref },
        { signal },
      );
      if (errors.length > 0) throw new Unmet(errors.map(({ fault, text }) => `${fault}: ${text}`).join('; '));
      return warnings.length === 0 ? 'clean' : warnings.map(({ text }) => `warning: ${text}`).join('; ');
    });
    if (isClean && (await relocate(vsphere, input, tried, 'relocateLive'))) {
      if (isObjectStore(datastore)) tried.skip('ranThrough', `${datastore.name} shows no bytes of a disk`);
      else await tried.attempt('ranThrough', (signal) => bootedOnce(vsphere, moref, signal));
    }
    return tried.rows(LIVE_ROWS);
  });
}

export async function proveCold(deps: Deps, input: Input, step: Step): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const tried = trial(step);
    await relocate(vsphere, input, tried, 'relocateCold');
    return tried.rows(COLD_ROWS);
  });
}

function relocate(
  vsphere: Vsphere,
  { moref, datastore }: Input,
  tried: Trial,
  primitive: Extract<ProvePrimitive, 'relocateLive' | 'relocateCold'>,
): Promise<boolean> {
  return tried.attempt(primitive, async (signal) => {
    await vsphere.relocateVm(moref, { datastore: datastore.moref }, { detach: signal });
    const vm = await vsphere.readVm(moref, { signal });
    if (vm === undefined) throw new Unmet(`${moref} is not in the inventory any more`);
    const elsewhere = filesOf(vm).filter((file) => !file.startsWith(`[${datastore.name}] `));
    if (elsewhere.length === 0) return vm.vmPathName;
    throw new Unmet(
      `the target says that it is done, and some of the VM lies elsewhere: ${elsewhere.join(', ')}`,
    );
  });
}

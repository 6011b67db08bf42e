// What is known before anything is touched: what the target is, whether its licence allows changes, and the
// production datastore, if one was named.
import { type ProveGround, type ProveInput, proveInputSchema } from '../../contract/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { parsed } from '../parsed.ts';
import type { Step } from '../step.ts';
import { withTarget } from '../target.ts';
import { assertOwnProof } from './own-proof.ts';
import { trial, Unmet } from './trial.ts';

export async function openProve(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  raw: ProveInput,
  step: Step,
): Promise<ProveGround> {
  const input = parsed(proveInputSchema, raw);
  assertOwnProof(step, input.proveId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { about, isVirtualCenter } = vsphere;
    const tried = trial(step);
    await tried.attempt('licence', (signal) => readLicence(vsphere, signal));
    return {
      product: about.fullName,
      apiVersion: about.apiVersion,
      isVirtualCenter,
      datastore: await findDatastore(vsphere, input, step),
      rows: tried.rows(['licence']),
    };
  });
}

async function readLicence(vsphere: Vsphere, signal: AbortSignal): Promise<string> {
  const { allowsWrites, edition } = await vsphere.licence({ signal });
  if (allowsWrites) return edition ?? 'the account may not see which it is';
  throw new Unmet(
    `the licence (${edition ?? 'unknown'}) makes the API read-only: no VM can be registered. Assign one that ` +
      'includes the vSphere API',
  );
}

/** Whether the chosen host has it, its first use tells. Throws NotFound. */
async function findDatastore(
  vsphere: Vsphere,
  { datastore: wanted }: ProveInput,
  { signal }: Step,
): Promise<ProveGround['datastore']> {
  if (wanted === undefined) return undefined;
  const { datastores } = await vsphere.inventory({ signal });
  const found = datastores.find(({ name, moref }) => name === wanted || moref === wanted);
  if (found !== undefined) return { moref: found.moref, name: found.name, type: found.type };
  const known = datastores.map(({ name }) => name).join(', ');
  throw failureFor(
    'NotFound',
    `The target has no datastore ${wanted}; it has ${known === '' ? 'none' : known}`,
  );
}

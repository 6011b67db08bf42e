// What is changed in a VM that is registered and off: keys of its configuration and its annotation, as handing over
// takes a session's marks off; its network card, as a drill moves it into a network without uplink.
import { type ProveRow, type ProveStepInput, primitivesOf } from '../../contract/index.ts';
import type { Vm, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { proveNetwork } from './network.ts';
import { trial, Unmet } from './trial.ts';

const KEY = 'rundirect.prove';

export async function proveConfiguration(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: ProveStepInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const tried = trial(step);
    await tried.attempt('reconfigure', (signal) => reconfigure(vsphere, input, signal));
    await tried.attempt('isolate', (signal) => isolate(vsphere, input, signal));
    return tried.rows(primitivesOf('run').filter((each) => each === 'reconfigure' || each === 'isolate'));
  });
}

async function reconfigure(
  vsphere: Vsphere,
  { moref, sessionId }: ProveStepInput,
  signal: AbortSignal,
): Promise<string> {
  const before = await read(vsphere, moref, signal);
  const note = `${before.annotation}\nproved by ${sessionId}`;
  await vsphere.reconfigureVm(moref, { extraConfig: { [KEY]: sessionId }, annotation: note }, { signal });
  const set = await read(vsphere, moref, signal);
  if (set.extraConfig[KEY] !== sessionId) throw new Unmet(`${KEY} was set, and can't be read back`);
  if (set.annotation !== note) throw new Unmet("the annotation was set, and can't be read back");
  const spec = { extraConfig: { [KEY]: '' }, annotation: before.annotation };
  await vsphere.reconfigureVm(moref, spec, { signal });
  const after = await read(vsphere, moref, signal);
  if (KEY in after.extraConfig) throw new Unmet(`an empty value does not take ${KEY} off`);
  return 'read back both times';
}

async function isolate(vsphere: Vsphere, input: ProveStepInput, signal: AbortSignal): Promise<string> {
  const { moref, sessionId, placement } = input;
  const spec = proveNetwork(sessionId);
  const network = await vsphere.addIsolatedPortGroup(placement.host.moref, spec, { signal });
  const [nic] = (await read(vsphere, moref, signal)).nics;
  if (nic === undefined) throw new Unmet('the host shows no network card of the VM');
  await vsphere.reconfigureVm(moref, { nics: [{ key: nic.key, network }] }, { signal });
  const [after] = (await read(vsphere, moref, signal)).nics;
  if (after?.network === spec.portGroup) return `${after.label} is on ${spec.portGroup}`;
  throw new Unmet(`${nic.label} was moved to ${spec.portGroup}, and is on ${after?.network ?? 'none'}`);
}

async function read(vsphere: Vsphere, moref: string, signal: AbortSignal): Promise<Vm> {
  const vm = await vsphere.readVm(moref, { signal });
  if (vm === undefined) throw new Unmet(`${moref} is not in the inventory any more`);
  return vm;
}

// Looks what a session has left, from what its gateway and its target know alone: its history may be gone. The gateway
// has the export, and with each lease the host that may have the datastore; a worker that died between giving a lease
// back and the unmount left a mount without lease, which the target shows. A VM is found by the session's mark wherever
// it is registered, and by its path, where somebody took the mark off.
import {
  changesFolder,
  datastoreName,
  type Placement,
  type Target,
  type TracedVm,
  type Traces,
  type TracesInput,
} from '../../contract/index.ts';
import type { ExportStatus } from '../../gateway/index.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Host, Inventory, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { mayBeMountedOn } from '../host-mount.ts';
import { targetIdOf } from '../preflight/target-look.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { standingAt, vmxOf } from '../vm-standing.ts';

const NOTHING: Traces = { place: undefined, hosts: [], vms: [] };

export async function lookForTraces(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway' | 'site'>,
  { sessionId, target }: TracesInput,
  step: Step,
): Promise<Traces> {
  assertOwnSession(step, sessionId);
  const exported = (await deps.gateway.exports()).find((each) => each.sessionId === sessionId);
  if (exported === undefined || exported.readOnly) return NOTHING;
  if (target === undefined) {
    throw failureFor('InvalidInput', `${sessionId} is on a target: say which one, with an account there`);
  }
  return withTarget(deps, step, target, async (vsphere) => {
    assertSameTarget(vsphere, target, exported);
    const inventory = await vsphere.inventory({ signal: step.signal });
    const datastore = datastoreName(deps.site);
    const where = { targetId: exported.targetId, datastore, sessionId };
    const mounted = mountedOn(inventory, datastore, exported);
    const { leased, free } = await mayBeMountedOn(deps.gateway, where, mounted);
    const hosts = [
      ...leased.map((moref) => ({ ...hostNamed(inventory, moref), leased: true })),
      ...free.map((moref) => ({ ...hostNamed(inventory, moref), leased: false })),
    ];
    const [host = inventory.hosts[0]] = hosts;
    if (host === undefined) return NOTHING;
    const place = placeOf(exported, { moref: host.moref, name: host.name }, datastore);
    return { place, hosts, vms: await vmsOf(vsphere, sessionId, place, step) };
  });
}

function assertSameTarget(vsphere: Vsphere, target: Target, { sessionId, targetId }: ExportStatus): void {
  const given = targetIdOf(vsphere, { target });
  if (given === targetId) return;
  throw failureFor(
    'NotOurs',
    `${sessionId} is on target ${targetId} and ${target.host} is ${given}: name it as it was named at the start`,
  );
}

/** Hosts that show the gateway's share of this target under our name. */
const mountedOn = (
  { datastores }: Inventory,
  datastore: string,
  { remoteHost, remotePath }: ExportStatus,
): readonly string[] =>
  datastores
    .filter(({ name, nas }) => name === datastore && nas?.remoteHost === remoteHost)
    .filter(({ nas }) => nas?.remotePath === remotePath)
    .flatMap(({ hosts }) => hosts);

function hostNamed({ hosts }: Inventory, moref: string): Pick<Host, 'moref' | 'name'> {
  return { moref, name: hosts.find((host) => host.moref === moref)?.name ?? moref };
}

/** As a session's end needs it: where a VM would have been put is not known any more, and not asked for. */
function placeOf(
  exported: ExportStatus,
  host: Placement['host'],
  datastore: string,
): NonNullable<Traces['place']> {
  const { sessionId, targetId, displayName, changesDirectory, remoteHost, remotePath, vmxPath } = exported;
  const changesOn = /^\/vmfs\/volumes\/([^/]+)\//.exec(changesDirectory ?? '')?.[1];
  return {
    placement: {
      ...{ targetId, host, datastore, vmName: displayName, folder: '', resourcePool: '', allow: [] },
      ...(changesOn === undefined ? {} : { changes: changesFolder(changesOn, sessionId) }),
    },
    exported: { remoteHost, remotePath, vmxPath },
  };
}

async function vmsOf(
  vsphere: Vsphere,
  sessionId: string,
  place: NonNullable<Traces['place']>,
  step: Step,
): Promise<readonly TracedVm[]> {
  const { signal } = step;
  const whole = { sessionId, ...place };
  const marked = await vsphere.findVmsByExtraConfig(SESSION_KEY, sessionId, { signal });
  const there = await vsphere.findVmByPath(vmxOf(whole), { signal });
  const morefs = new Set([...marked, ...(there === undefined ? [] : [there])].map(({ moref }) => moref));
  const vms: TracedVm[] = [];
  for (const moref of morefs) {
    const vm = await vsphere.readVm(moref, { signal });
    if (vm === undefined) continue;
    const seen = await standingAt(vsphere, vm, whole, step);
    vms.push({ moref, name: vm.name, powerState: vm.powerState, ...seen });
  }
  return vms;
}

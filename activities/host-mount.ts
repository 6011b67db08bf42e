// The gateway's datastore on one host: who may mount and unmount it, and when.
//
// All of it happens under the gateway's lock for that host and datastore; the lock goes when its holder dies.
// A session takes its lease before it mounts, so that another's stop cannot unmount under it.
//
// The lock alone does not save us from a worker that died after it had sent RemoveDatastore: the host may carry
// it out when the next holder has already looked and found the datastore there. So before that call a mark is
// written to the gateway (a lease of nobody), and taken away when the call's outcome is known. Who finds the
// mark unmounts himself first and so waits for what is under way; and registering a VM, from which moment on
// the host refuses to unmount, makes sure of the mount once more under the same lock.
import type { TargetStepInput } from '../contract/index.ts';
import type { Lease } from '../gateway/index.ts';
import { type Host, type Vsphere, VsphereError } from '../vsphere/index.ts';
import type { Gateway } from './deps.ts';
import { failureFor } from './failures.ts';
import type { Step } from './step.ts';

/** No session: a session's id starts with a letter or digit. */
const UNMOUNTING = '.unmounting';

export type MountPlace = Pick<TargetStepInput, 'sessionId' | 'placement' | 'exported'>;

export async function withHostLock<T>(
  gateway: Gateway,
  { sessionId, placement }: MountPlace,
  step: Step,
  body: () => Promise<T>,
): Promise<T> {
  const name = `mount ${hostKey(placement)} ${placement.datastore}`;
  return gateway.withLock(name, sessionId, body, step.signal);
}

/** Mounted for sure when it returns, and the session's lease taken. Call it under the lock. */
export async function ensureMounted(
  gateway: Gateway,
  vsphere: Vsphere,
  place: MountPlace,
  step: Step,
): Promise<void> {
  const { placement, exported } = place;
  await gateway.takeLease(leaseOf(place));
  if (await hasMark(gateway, place)) await settleUnmount(gateway, vsphere, place, step);
  const { remoteHost, remotePath } = exported;
  const spec = { name: placement.datastore, remoteHost, remotePath };
  await vsphere.createNasDatastore(placement.host.moref, spec, { signal: step.signal });
}

/** Sessions that hold a lease there; the mark is none. */
export async function otherLeases(gateway: Gateway, place: MountPlace): Promise<readonly Lease[]> {
  const all = await gateway.leases();
  return all.filter(
    (lease) => samePlace(lease, place) && ![UNMOUNTING, place.sessionId].includes(lease.sessionId),
  );
}

/**
 * Morefs of hosts from which the session's datastore may have to be unmounted: `leased` by it, and `free` those of
 * `mounted` where no session has a lease.
 */
export async function mayBeMountedOn(
  gateway: Gateway,
  { targetId, datastore, sessionId }: Pick<Lease, 'datastore' | 'sessionId'> & { readonly targetId: string },
  mounted: readonly string[],
): Promise<{ readonly leased: readonly string[]; readonly free: readonly string[] }> {
  const leases = (await gateway.leases()).filter((lease) => lease.datastore === datastore);
  const prefix = `${targetId}/`;
  const own = leases.filter((lease) => lease.sessionId === sessionId && lease.host.startsWith(prefix));
  const isFree = (moref: string): boolean =>
    !leases.some(({ host, sessionId: holder }) => host === prefix + moref && holder !== UNMOUNTING);
  return { leased: own.map(({ host }) => host.slice(prefix.length)), free: mounted.filter(isFree) };
}

export const releaseLease = (gateway: Gateway, place: MountPlace): Promise<readonly Lease[]> =>
  gateway.releaseLease(leaseOf(place));

type NamedHost = Pick<Host, 'moref' | 'name'>;

/**
 * RemoveDatastore, with the mark around it for as long as its outcome is unknown. By what is mounted and not by its name
 * alone: that may stand for somebody else's datastore, and ours may have been renamed. Call it under the lock.
 * Answers which other hosts have the same mounted.
 */
export async function removeMarked(
  gateway: Gateway,
  vsphere: Vsphere,
  place: MountPlace,
  step: Step,
): Promise<readonly NamedHost[]> {
  const { moref: host } = place.placement.host;
  let others: readonly NamedHost[] = [];
  await gateway.takeLease(leaseOf(place, UNMOUNTING));
  try {
    const found = await mountOf(vsphere, place, step);
    if (found !== undefined) await vsphere.removeDatastore(host, found.datastore, { signal: step.signal });
    others = found?.others ?? [];
  } catch (error) {
    if (isAnswer(error)) await gateway.releaseLease(leaseOf(place, UNMOUNTING));
    throw error;
  }
  await gateway.releaseLease(leaseOf(place, UNMOUNTING));
  return others;
}

/**
 * What the session's host has mounted of the session's share, by moref, whatever it is called. Of a host that the target
 * does not show any more nothing is known: that is left to the call to say.
 */
async function mountOf(
  vsphere: Vsphere,
  { placement: { host, datastore }, exported: { remoteHost, remotePath } }: MountPlace,
  { signal }: Step,
): Promise<{ readonly datastore: string; readonly others: readonly NamedHost[] } | undefined> {
  const { hosts, datastores } = await vsphere.inventory({ signal });
  if (!hosts.some(({ moref }) => moref === host.moref)) return { datastore, others: [] };
  const found = datastores.find(
    ({ hosts: mountedOn, nas }) =>
      mountedOn.includes(host.moref) && nas?.remoteHost === remoteHost && nas.remotePath === remotePath,
  );
  if (found === undefined) return undefined;
  const others = hosts.filter(({ moref }) => moref !== host.moref && found.hosts.includes(moref));
  return { datastore: found.moref, others };
}

async function settleUnmount(
  gateway: Gateway,
  vsphere: Vsphere,
  place: MountPlace,
  step: Step,
): Promise<void> {
  try {
    await removeMarked(gateway, vsphere, place, step);
  } catch (error) {
    // VMs keep it mounted: what was under way was, or will be, refused for the same reason.
    if (!(error instanceof VsphereError && error.code === 'ResourceInUse')) throw error;
  }
}

/** The host has decided; nothing of the call is under way any more. */
function isAnswer(error: unknown): boolean {
  return error instanceof VsphereError && error.code !== 'TargetUnavailable' && error.code !== 'Cancelled';
}

async function hasMark(gateway: Gateway, place: MountPlace): Promise<boolean> {
  const all = await gateway.leases();
  return all.some((lease) => samePlace(lease, place) && lease.sessionId === UNMOUNTING);
}

/** Hosts of different targets can have the same moref (`ha-host`). */
function hostKey({ targetId, host }: MountPlace['placement']): string {
  return `${targetId}/${host.moref}`;
}

function leaseOf({ placement, sessionId }: MountPlace, holder: string = sessionId): Lease {
  return { host: hostKey(placement), datastore: placement.datastore, sessionId: holder };
}

function samePlace(lease: Lease, { placement }: MountPlace): boolean {
  return lease.host === hostKey(placement) && lease.datastore === placement.datastore;
}

export function unreachable({ placement, exported }: MountPlace): Error {
  return failureFor(
    'TargetUnavailable',
    `Host ${placement.host.name} mounted ${exported.remoteHost}:${exported.remotePath} and can't reach it. ` +
      'See that its VMkernel network reaches the gateway (ports 111, 2049 and the mount port)',
  );
}

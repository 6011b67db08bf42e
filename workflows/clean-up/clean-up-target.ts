// Removes from its target what a session has left there, as a look has found it: each step is insisted on, as at the end
// of every session.
import { drillOfSession, guestRunsWords, type TracedVm, type Traces } from '../../contract/index.ts';
import { undoSteps } from '../activities-of.ts';
import { mayPass, type Reason } from '../failure.ts';
import { notTouched } from '../not-touched.ts';
import { removeChanges, take, unmount } from '../remove-traces.ts';
import { type EndingSession, type SessionPlace, targetStep } from '../session.ts';

/** Why a VM is not touched; undefined where it may be. */
export function refusalOf(traced: TracedVm, powerOff: boolean): Reason | undefined {
  const { moref, name, standing, powerState } = traced;
  const words = { vm: `${name} (${moref})`, where: 'with the session', then: 'clean up again' };
  const half = notTouched(traced, words);
  if (half !== undefined) return half;
  if (standing !== 'ours' || powerState !== 'poweredOn' || powerOff) return undefined;
  return { type: 'GuestRuns', message: guestRunsWords(traced), details: [] };
}

/** Answers why it was given up, if it was. */
export async function removeFromTarget(
  session: EndingSession,
  place: SessionPlace,
  { hosts, vms }: Traces,
  powerOff: boolean,
): Promise<Reason | undefined> {
  for (const vm of vms) {
    const kept =
      vm.standing === 'moved'
        ? await handOver(session, place, vm)
        : await removeVm(session, place, vm, powerOff);
    if (kept !== undefined) return kept;
  }
  const changes = place.placement.changes && (await removeChanges(session, place));
  if (changes !== undefined) return changes;
  for (const { moref, name } of hosts) {
    const onHost = { ...place, placement: { ...place.placement, host: { moref, name } } };
    const kept =
      (await unmount(session, onHost, { sparesGuest: !powerOff })) ?? (await removeNetwork(session, onHost));
    if (kept !== undefined) return kept;
  }
  return undefined;
}

/** It is in production: the session's marks come off, and it is left to run. */
function handOver(
  session: EndingSession,
  place: SessionPlace,
  { moref, name, detail }: TracedVm,
): Promise<Reason | undefined> {
  session.record.say(
    `${name} was moved to production storage (${detail}): only the session's marks are taken off it`,
  );
  const handOverVm = (): Promise<unknown> =>
    undoSteps(session.input.site).handOverVm({ ...targetStep(session, place), moref });
  return take(session, "take the session's marks off the VM", handOverVm, mayPass);
}

/** While the target was away, somebody may have powered it on: each try looks anew. */
async function removeVm(
  session: EndingSession,
  place: SessionPlace,
  { moref, name }: TracedVm,
  powerOff: boolean,
): Promise<Reason | undefined> {
  const { input, record } = session;
  const steps = undoSteps(input.site);
  const step = { ...targetStep(session, place), moref };
  const remove = async (): Promise<void> => {
    if (powerOff) await steps.powerOffVm(step);
    await steps.unregisterVm({ ...step, sparesGuest: !powerOff });
  };
  const kept = await take(session, 'remove the VM', remove, mayPass);
  if (kept === undefined) record.say(`${name} is ${powerOff ? 'powered off and ' : ''}unregistered`);
  return kept;
}

/** Of a drill's session. Another one of that drill may need it still, which then removes it. */
async function removeNetwork(
  session: EndingSession,
  { placement }: SessionPlace,
): Promise<Reason | undefined> {
  const { sessionId, site, target } = session.input;
  const drill = drillOfSession(sessionId);
  if (drill === undefined) return undefined;
  const network = { drillId: drill.drillId, target, host: placement.host };
  const isInUse = ({ type }: Reason): boolean => type === 'ResourceInUse';
  const kept = await take(
    session,
    "remove the drill's network",
    () => undoSteps(site).removeDrillNetwork(network),
    (reason) => mayPass(reason) && !isInUse(reason),
  );
  if (kept === undefined || !isInUse(kept)) return kept;
  session.record.say("The drill's network stays: another VM is on it", 'warning');
  return undefined;
}

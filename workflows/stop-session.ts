// Removes a running session: the VM is powered off and unregistered if, and only if, it is still the session's;
// then the datastore goes when nobody else needs it, and the export with its changes.
//
// A VM that somebody moved to production by hand is never touched: it counts as finalized, and only what the
// session left behind is cleaned up. One that still has a disk here is left to run, and the stop fails.
import type { VmSighting } from '../contract/index.ts';
import { startSteps, undoSteps } from './activities-of.ts';
import { mayPass, type Reason, reasonOf } from './failure.ts';
import { notTouched } from './not-touched.ts';
import { removeTraces, take } from './remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from './session.ts';

/**
 * `refused`: nothing was taken away, the session runs on. `stuck`: the VM is off this session, and what came
 * after could not be removed; giving up on it leaves something behind.
 */
export type StopOutcome =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'finalized' }
  | { readonly kind: 'refused'; readonly reason: Reason }
  | { readonly kind: 'stuck'; readonly reason: Reason };

const INSPECT_TIMEOUT_MS = 60_000;

/** @param onVmOurs is called before the VM is touched: what watches it may stop now. */
export async function stopSession(
  session: Session,
  running: RunningSession,
  onVmOurs: () => void,
): Promise<StopOutcome> {
  const { record } = session;
  record.update({ state: 'stopping', step: 'stop' });
  const seen = await inspect(session, running);
  if ('reason' in seen) return { kind: 'refused', reason: seen.reason };
  const half = notTouched(seen, {
    ...{ vm: running.vm.name, where: `on ${running.vm.datastore}`, then: 'stop the session again' },
  });
  if (half !== undefined) return { kind: 'refused', reason: half };
  onVmOurs();
  if (seen.standing === 'ours') {
    const reason = await removeVm(session, running);
    if (reason !== undefined) return { kind: 'refused', reason };
  } else {
    record.say(leftAlone(running, seen));
    const reason = await handOver(session, running, seen);
    if (reason !== undefined) return { kind: 'refused', reason };
  }
  const reason = await removeTraces(session, running);
  if (reason !== undefined) return { kind: 'stuck', reason };
  return { kind: seen.standing === 'moved' ? 'finalized' : 'stopped' };
}

async function inspect(
  session: Session,
  running: RunningSession,
): Promise<VmSighting | { readonly reason: Reason }> {
  try {
    const { inspectVm } = startSteps(session.input.site, INSPECT_TIMEOUT_MS);
    return await inspectVm(runningVmStep(session, running));
  } catch (error) {
    return { reason: reasonOf(error, 'looking at the VM') };
  }
}

function leftAlone({ vm }: RunningSession, { standing, detail }: VmSighting): string {
  return standing === 'moved'
    ? `${vm.name} was moved to production storage (${detail}): it counts as finalized, and only the session's marks are taken off it`
    : `${vm.name} is not in the inventory any more (${detail})`;
}

/** Takes the session's marks off a VM that is in production now. */
async function handOver(
  session: Session,
  running: RunningSession,
  { standing }: VmSighting,
): Promise<Reason | undefined> {
  if (standing !== 'moved') return undefined;
  return take(session, "take the session's marks off the VM", () =>
    undoSteps(session.input.site).handOverVm(runningVmStep(session, running)),
  );
}

/** While the target is away it waits; what a person must change first ends the stop, with the VM as it is. */
async function removeVm(session: Session, running: RunningSession): Promise<Reason | undefined> {
  const { input, record } = session;
  const steps = undoSteps(input.site);
  const step = runningVmStep(session, running);
  const off = await take(session, 'power the VM off', () => steps.powerOffVm(step), mayPass);
  if (off !== undefined) return off;
  record.update({ powerState: 'poweredOff' });
  const gone = await take(session, 'unregister the VM', () => steps.unregisterVm(step), mayPass);
  if (gone !== undefined) return gone;
  record.update({ vm: undefined, powerState: undefined });
  record.say(`${running.vm.name} is powered off and unregistered`);
  return undefined;
}

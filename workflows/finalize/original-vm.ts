// The VM whose place a session's VM takes, seen from the finalize: it is set aside before the migration, given back
// after one that did not come to its end, and deleted, where that was asked for, once the new one is proven. What lies
// in the new one's way is cleared beside it.
import type { FinalizePlan, OriginalStatus, SessionStatus } from '../../contract/index.ts';
import { longSteps, startSteps, undoSteps } from '../activities-of.ts';
import { mayPass, reasonOf, sentence } from '../failure.ts';
import { take } from '../remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from '../session.ts';

/** A guest is given time to shut down. */
const MAKE_WAY_TIMEOUT_MS = 300_000;
/** A guest that runs is heard of at once; one that was shut down for the way has to boot first. */
const HEARTBEAT_TIMEOUT_MS = 600_000;

/** Where the VM whose place it is stands, for as long as the finalize has not touched it. */
export function tellOriginal({ record }: Session, { original }: FinalizePlan): void {
  if (original === undefined) return;
  const { name, asideName, recognised, remove } = original;
  tell(record, { name, state: 'standing', standsAs: name });
  const after = remove ? 'and deleted once the new one is proven' : 'and kept';
  record.say(
    `It takes the place of ${name}, recognised ${recognised}: that is renamed to ${asideName}, ${after}`,
  );
}

/** Fails, or is cancelled, before anything of the session's VM is touched. */
export async function makeWay(session: Session, running: RunningSession, plan: FinalizePlan): Promise<void> {
  const { input, record } = session;
  const steps = startSteps(input.site, MAKE_WAY_TIMEOUT_MS);
  const step = { ...runningVmStep(session, running), plan };
  const { original, overwrite = [] } = plan;
  if (original !== undefined) {
    record.update({ step: 'setOriginalAside' });
    await steps.setOriginalAside(step);
    tell(record, { name: original.name, state: 'setAside', standsAs: original.asideName });
    const off = original.wasPoweredOn ? 'powered off and ' : '';
    record.say(`The original ${original.name} is ${off}renamed to ${original.asideName}`);
  }
  if (overwrite.length === 0) return;
  record.update({ step: 'clearFolders' });
  await steps.clearFolders(step);
  record.say(`Files that no VM uses are removed, as was asked for: ${overwrite.join(', ')}`);
}

/** After a finalize that left the session's VM where it was. */
export async function giveBack(session: Session, running: RunningSession, plan: FinalizePlan): Promise<void> {
  const { input, record } = session;
  const { original } = plan;
  if (original === undefined) return;
  const step = { ...runningVmStep(session, running), plan };
  let standsAs: string | undefined;
  const reason = await take(
    session,
    'give the original back',
    async () => {
      ({ standsAs } = await undoSteps(input.site).restoreOriginal(step));
    },
    mayPass,
  );
  if (reason !== undefined) {
    const left = `It may be off, and called ${original.asideName}`;
    record.say(
      `The original ${original.name} is not given back: ${sentence(reason.message)} ${left}`,
      'error',
    );
    return;
  }
  tell(record, { name: original.name, state: 'givenBack', standsAs });
  if (standsAs === undefined) {
    record.say(
      `The original ${original.name} is not in the inventory any more: nothing is given back`,
      'warning',
    );
    return;
  }
  const on = original.wasPoweredOn ? ' and is powered on' : '';
  record.say(`The original is called ${standsAs} again${on}`);
}

/** Deletes the original if that was asked for and the new VM is what it is to be; else it stays aside. */
export async function afterArrival(
  session: Session,
  running: RunningSession,
  plan: FinalizePlan,
  before: Pick<SessionStatus, 'powerState' | 'guest'>,
): Promise<void> {
  const { record } = session;
  const { original } = plan;
  if (original === undefined) return;
  const doubt = original.remove ? await removeProven(session, running, plan, before) : undefined;
  if (original.remove && doubt === undefined) {
    tell(record, { name: original.name, state: 'removed', standsAs: undefined });
    record.say(`The original ${original.name} is deleted`);
  } else if (doubt !== undefined) {
    record.say(`The original is not deleted, it is kept as ${original.asideName}: ${doubt}`, 'warning');
  } else {
    record.say(`The original is kept as ${original.asideName}, powered off`);
  }
}

/** Answers why it is not deleted, if it is not. */
async function removeProven(
  session: Session,
  running: RunningSession,
  plan: FinalizePlan,
  { powerState, guest }: Pick<SessionStatus, 'powerState' | 'guest'>,
): Promise<string | undefined> {
  const { input, record } = session;
  const steps = undoSteps(input.site);
  const step = { ...runningVmStep(session, running), plan };
  record.update({ step: 'proveArrival' });
  const expectsHeartbeat = powerState === 'poweredOn' && guest === 'ready';
  const heartbeatTimeoutMs = expectsHeartbeat ? HEARTBEAT_TIMEOUT_MS : 0;
  try {
    const look = longSteps(input.site).proveArrival({ ...step, powerState, heartbeatTimeoutMs });
    const { proven, detail } = await look;
    if (!proven) return detail;
    record.say(`The new VM is proven: ${detail}`);
    record.update({ step: 'removeOriginal' });
    await steps.removeOriginal(step);
    return undefined;
  } catch (error) {
    return reasonOf(error, 'deleting the original').message;
  }
}

function tell(record: Session['record'], original: OriginalStatus): void {
  record.migration({ original });
}

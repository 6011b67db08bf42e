// The time in which a guest that ran does not: its VM is taken down for a moment, and brought up again, wherever it is
// by then. Measured from the moment in which it is asked to go; who brings it back insists.
import type { GuestAway, RunningVm } from '../../contract/index.ts';
import { longUndoSteps, migrationSteps } from '../activities-of.ts';
import { cancelled, mayPass, type Reason, reasonOf, sentence } from '../failure.ts';
import { take } from '../remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from '../session.ts';

export interface GuestOutage {
  /** Undefined for as long as nobody asked the guest to go. */
  readonly since: () => { readonly how: GuestAway; readonly atMs: number } | undefined;
  /** A guest that can't be suspended is shut down. */
  begin(how: GuestAway): Promise<void>;
  /** One try to let the guest go on; nothing where it was never asked to go. */
  bringBack(vm?: RunningVm): Promise<void>;
  /** Insists on that; answers why it was given up, if it was. */
  end(): Promise<Reason | undefined>;
  /** The guest goes on since then. */
  over(atMs: number): number;
}

export function guestOutage(session: Session, running: RunningSession): GuestOutage {
  const { input, record } = session;
  const step = runningVmStep(session, running);
  let since: { readonly how: GuestAway; readonly atMs: number } | undefined;
  const ask = async (how: GuestAway): Promise<void> => {
    record.say(how === 'suspend' ? 'Suspends the guest' : 'Shuts the guest down');
    since = { how, atMs: Date.now() };
    await migrationSteps(input.site).takeGuestAway({ ...step, how });
    record.update({ powerState: how === 'suspend' ? 'suspended' : 'poweredOff' });
  };
  const over = (atMs: number): number => {
    const guestAwayMs = Math.max(0, atMs - (since?.atMs ?? atMs));
    record.update({ powerState: 'poweredOn' });
    record.migration({ guestAwayMs });
    return guestAwayMs;
  };
  const bringBack = async (vm: RunningVm = running.vm): Promise<void> => {
    if (since === undefined) return;
    await longUndoSteps(input.site).bringGuestBack(runningVmStep(session, { ...running, vm }));
    over(Date.now());
  };
  return {
    ...{ since: () => since, bringBack, over },
    begin: async (how) => {
      record.update({ step: 'takeGuestAway' });
      try {
        await ask(how);
      } catch (error) {
        const reason = reasonOf(error, 'suspending the guest');
        if (cancelled(error) || how !== 'suspend' || mayPass(reason)) throw error;
        record.say(`It can't be suspended: ${sentence(reason.message)} It is shut down instead`, 'warning');
        await ask('shutDown');
      }
    },
    end: async () =>
      since === undefined ? undefined : take(session, 'bring the guest back', () => bringBack()),
  };
}

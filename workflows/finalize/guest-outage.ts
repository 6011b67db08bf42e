// The time in which a guest that ran does not: its VM is taken down for a moment, and brought up again, wherever it is
// by then. Measured from the moment in which it is asked to go; who brings it back insists.
import type { GuestAway, RunningVm } from '../../contract/index.ts';
import { longSteps, longUndoSteps, migrationSteps } from '../activities-of.ts';
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
  /** It was shut down, and had shown a heartbeat before: it is away until it shows one again. */
  boots(): boolean;
  /** Waits for that, where it boots, as long as a start does; one that does not show any is no failure. */
  awaitBoot(vm: RunningVm): Promise<void>;
}

export function guestOutage(session: Session, running: RunningSession): GuestOutage {
  const { input, record } = session;
  const step = runningVmStep(session, running);
  let since: { readonly how: GuestAway; readonly atMs: number } | undefined;
  let wasUp = false;
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
  const boots = (): boolean => since?.how === 'shutDown' && wasUp;
  return {
    ...{ since: () => since, bringBack, over, boots },
    awaitBoot: async (vm) => {
      if (!boots()) return;
      const { guestTimeoutMs: timeoutMs } = input;
      try {
        const booting = { ...runningVmStep(session, { ...running, vm }), timeoutMs };
        const { readyAtMs } = await longSteps(input.site).awaitGuest(booting);
        if (readyAtMs === undefined) return;
        const seconds = (over(readyAtMs) / 1000).toFixed(1);
        record.say(`The guest is up again: it was away for ${seconds} s`);
      } catch (error) {
        record.say(
          `Its heartbeat was not seen: ${reasonOf(error, 'waiting for the guest').message}`,
          'warning',
        );
      }
    },
    begin: async (how) => {
      wasUp = record.status().guest === 'ready';
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

// What the end of a session has in common, however it ends: the folder of its changes goes, where it has one, then the
// datastore when nobody else needs it, then the export. Each step is tried until it is done, and says what it waits for.
import type { UnmountInput } from '../contract/index.ts';
import { undoSteps } from './activities-of.ts';
import { type Compensation, insist } from './compensation.ts';
import type { Reason } from './failure.ts';
import { type EndingSession, type SessionPlace, targetStep } from './session.ts';
import { sayWaiting } from './undo-words.ts';

/** Answers why it was given up, if it was. */
export async function removeTraces(session: EndingSession, place: SessionPlace): Promise<Reason | undefined> {
  if (place.placement.changes !== undefined) {
    const stuck = await removeChanges(session, place);
    if (stuck !== undefined) return stuck;
  }
  return (await unmount(session, place)) ?? (await dropExport(session));
}

/** Of a session whose changes did not go to the gateway. */
export async function removeChanges(
  session: EndingSession,
  place: SessionPlace,
): Promise<Reason | undefined> {
  const { input, record } = session;
  const step = targetStep(session, place);
  const stuck = await take(session, 'remove the folder of changes', () =>
    undoSteps(input.site).removeChangesFolder(step),
  );
  if (stuck !== undefined) return stuck;
  record.update({ changes: undefined });
  record.say('The folder of changes is removed');
  return undefined;
}

/** From the place's host; it stays where others need it. `policy` is about a VM of the session that came late. */
export function unmount(
  session: EndingSession,
  place: SessionPlace,
  policy: Pick<UnmountInput, 'sparesGuest'> = {},
): Promise<Reason | undefined> {
  const { input, record } = session;
  return take(session, 'unmount the datastore', async () => {
    const step = { ...targetStep(session, place), ...policy };
    const { unmounted, reason } = await undoSteps(input.site).unmount(step);
    const { datastore, host } = place.placement;
    record.say(
      unmounted
        ? `Datastore ${datastore} is unmounted from host ${host.name}${reason === undefined ? '' : `; ${reason}`}`
        : `Datastore ${datastore} stays on host ${host.name}: ${reason ?? 'it is in use'}`,
    );
  });
}

/** The last of all: by its export what a session has left is found. */
export async function dropExport(
  session: Pick<EndingSession, 'record'> & {
    readonly input: Pick<EndingSession['input'], 'sessionId' | 'site'>;
  },
): Promise<Reason | undefined> {
  const { input, record } = session;
  const { sessionId } = input;
  const kept = await take(session, 'drop the export', () => undoSteps(input.site).dropExport({ sessionId }));
  if (kept === undefined) record.say('Export and changes are dropped');
  return kept;
}

/** One step of the end, insisted on; answers why it was given up, if it was. */
export function take(
  { record }: Pick<EndingSession, 'record'>,
  name: string,
  run: Compensation['run'],
  worthWaiting?: (reason: Reason) => boolean,
): Promise<Reason | undefined> {
  record.update({ step: name });
  return insist({ name, run }, { onWaiting: sayWaiting(record) }, worthWaiting);
}

// What the end of a session has in common, however it ends: the folder of its changes goes, where it has one, then the
// datastore when nobody else needs it, then the export. Each step is tried until it is done, and says what it waits for.
import { undoSteps } from './activities-of.ts';
import { type Compensation, insist } from './compensation.ts';
import type { Reason } from './failure.ts';
import { type RunningSession, runningVmStep, type Session } from './session.ts';
import { sayWaiting } from './undo-words.ts';

/** Answers why it was given up, if it was. */
export async function removeTraces(session: Session, running: RunningSession): Promise<Reason | undefined> {
  const { input, record } = session;
  const steps = undoSteps(input.site);
  if (running.placement.changes !== undefined) {
    const stuck = await removeChanges(session, running);
    if (stuck !== undefined) return stuck;
  }
  const stays = await take(session, 'unmount the datastore', async () => {
    const { unmounted, reason } = await steps.unmount(runningVmStep(session, running));
    const { datastore, host } = running.placement;
    record.say(
      unmounted
        ? `Datastore ${datastore} is unmounted from host ${host.name}`
        : `Datastore ${datastore} stays on host ${host.name}: ${reason ?? 'it is in use'}`,
    );
  });
  if (stays !== undefined) return stays;
  const kept = await take(session, 'drop the export', () => steps.dropExport({ sessionId: input.sessionId }));
  if (kept !== undefined) return kept;
  record.say('Export and changes are dropped');
  return undefined;
}

async function removeChanges(session: Session, running: RunningSession): Promise<Reason | undefined> {
  const { input, record } = session;
  const step = runningVmStep(session, running);
  const stuck = await take(session, 'remove the folder of changes', () =>
    undoSteps(input.site).removeChangesFolder(step),
  );
  if (stuck !== undefined) return stuck;
  record.update({ changes: undefined });
  record.say('The folder of changes is removed');
  return undefined;
}

/** One step of the end, insisted on; answers why it was given up, if it was. */
export function take(
  { record }: Session,
  name: string,
  run: Compensation['run'],
  worthWaiting?: (reason: Reason) => boolean,
): Promise<Reason | undefined> {
  record.update({ step: name });
  return insist({ name, run }, { onWaiting: sayWaiting(record) }, worthWaiting);
}

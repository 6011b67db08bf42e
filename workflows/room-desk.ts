// Where more room for a session's changes is asked for. One Activity beside whatever else the session does, a finalize
// among it: a guest may run out of space at any time.
import { type ApplicationFailure, CancellationScope, defineUpdate, setHandler } from '@temporalio/workflow';
import {
  formatBytes,
  type MakeRoomRequest,
  type MakeRoomResult,
  makeRoomRequestSchema,
  SessionMessage,
} from '../contract/index.ts';
import { shortSteps } from './activities-of.ts';
import { rejection } from './desk.ts';
import { failureFrom, reasonOf } from './failure.ts';
import type { Session } from './session.ts';

const makeRoomUpdate = defineUpdate<MakeRoomResult, [MakeRoomRequest]>(SessionMessage.makeRoom);

export function openRoomDesk(session: Session): void {
  const check = (request: MakeRoomRequest): void => {
    const refused = refusal(session, request);
    if (refused !== undefined) throw refused;
  };
  setHandler(
    makeRoomUpdate,
    (request) =>
      CancellationScope.nonCancellable(async () => {
        // What was true when it was let in may not be any more.
        check(request);
        return make(session, request);
      }),
    { description: "Keep more room for the session's changes", validator: check },
  );
}

function refusal({ input, record }: Session, request: MakeRoomRequest): ApplicationFailure | undefined {
  const parsed = makeRoomRequestSchema.safeParse(request);
  if (!parsed.success) {
    return rejection('InvalidInput', parsed.error.issues.map(({ message }) => message).join('; '));
  }
  const { sessionId, changes } = input;
  if (changes !== undefined) {
    const message = `the changes of ${sessionId} are on datastore ${changes.datastore}: make room for them there`;
    return rejection('NotSupported', message);
  }
  const { state } = record.status();
  if (state === 'running' || state === 'finalizing') return undefined;
  const isStarting = state === 'preflight' || state === 'starting';
  return rejection(
    'NotRunning',
    isStarting
      ? `${sessionId} does not run yet: make room for it when it does`
      : `${sessionId} is ${state}: it keeps no changes`,
  );
}

async function make({ input, record }: Session, { bytes }: MakeRoomRequest): Promise<MakeRoomResult> {
  const { sessionId, site } = input;
  let result: MakeRoomResult;
  try {
    result = await shortSteps(site).makeRoom({ sessionId, bytes });
  } catch (error) {
    throw failureFrom(reasonOf(error, 'making room'));
  }
  const { reservedBytes, usedBytes } = result;
  record.say(
    `The gateway keeps ${formatBytes(reservedBytes)} for the session's changes, which take ${formatBytes(usedBytes)}`,
  );
  return result;
}

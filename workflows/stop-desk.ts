// Where a stop is asked for and answered. A stop that comes while the session is still starting ends the start,
// which undoes itself; the answer is then `cancelled`.
import { type ApplicationFailure, defineUpdate } from '@temporalio/workflow';
import {
  SessionMessage,
  type SessionState,
  type StopRequest,
  type StopResult,
  stopRequestSchema,
} from '../contract/index.ts';
import { type Desk, openDesk, rejection } from './desk.ts';
import { keepingRefusal } from './keep-desk.ts';

const stopUpdate = defineUpdate<StopResult, [StopRequest]>(SessionMessage.stop);

export type StopDesk = Desk<StopRequest, StopResult>;

/** @param onStop is called once for each stop that is let in. */
export function openStopDesk(
  session: { readonly sessionId: string; state(): SessionState; keeping?(): boolean },
  onStop: () => void,
): StopDesk {
  return openDesk(stopUpdate, {
    description: 'Remove the VM and discard its changes',
    refuse: (request, waiting) => {
      const refused = refusal(session.sessionId, session.state(), request, waiting);
      if (refused !== undefined || session.keeping?.() !== true) return refused;
      return keepingRefusal(session.sessionId);
    },
    onRequest: onStop,
  });
}

function refusal(
  sessionId: string,
  state: SessionState,
  request: StopRequest,
  waiting: boolean,
): ApplicationFailure | undefined {
  if (!stopRequestSchema.safeParse(request).success) {
    return rejection('InvalidInput', `stop takes a reason of up to 200 characters at most`);
  }
  if (waiting || state === 'stopping') {
    return rejection('AlreadyStopping', `${sessionId} is already being stopped; watch it come to its end`);
  }
  if (state === 'finalizing') {
    const message = `${sessionId} is being finalized: its VM goes to production. Cancel that first`;
    return rejection('AlreadyFinalizing', message);
  }
  if (!['preflight', 'starting', 'running', 'restoring'].includes(state)) {
    return rejection('NotRunning', `${sessionId} is ${state}: there is nothing to stop`);
  }
  return undefined;
}

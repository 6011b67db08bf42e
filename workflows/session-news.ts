// A session that another Workflow started tells that one what becomes of it: a Workflow can ask a child nothing.
// Only what its parent decides by, and only when it is new: each piece of news is an event of two histories.
import { CancellationScope, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import { SESSION_NEWS_SIGNAL, type SessionNews, type SessionStatus } from '../contract/index.ts';

/** Call it after every change; a session of its own tells nobody. */
export function newsTeller(): (status: SessionStatus) => void {
  const { parent } = workflowInfo();
  if (parent === undefined) return () => undefined;
  const handle = getExternalWorkflowHandle(parent.workflowId);
  let told = '';
  return (status) => {
    const news = newsOf(status);
    const { state, guest, powerState } = news;
    const key = JSON.stringify([state, guest, powerState]);
    if (key === told) return;
    told = key;
    // A parent that is gone needs no news, and a cancel of the session is news itself.
    CancellationScope.nonCancellable(() => handle.signal(SESSION_NEWS_SIGNAL, news)).catch(() => undefined);
  };
}

function newsOf({ sessionId, state, jobId, guest, powerState, vm, timings }: SessionStatus): SessionNews {
  return { sessionId, state, jobId, guest, powerState, vm, timings };
}

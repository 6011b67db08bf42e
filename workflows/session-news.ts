// A session that another Workflow started tells that one what becomes of it: a Workflow can ask a child nothing.
// Only what its parent decides by, and only when it is new: each piece of news is an event of two histories. Signals
// that are under way together may arrive in any order, so there is one at a time; what is old by its turn is not told.
import { CancellationScope, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import { SESSION_NEWS_SIGNAL, type SessionNews, type SessionStatus } from '../contract/index.ts';

/** Call it after every change; a session of its own tells nobody. */
export function newsTeller(): (status: SessionStatus) => void {
  const { parent } = workflowInfo();
  if (parent === undefined) return () => undefined;
  const handle = getExternalWorkflowHandle(parent.workflowId);
  let known = '';
  let next: SessionNews | undefined;
  let isTelling = false;
  const tell = async (): Promise<void> => {
    if (isTelling) return;
    isTelling = true;
    while (next !== undefined) {
      const news = next;
      next = undefined;
      // A parent that is gone needs no news, and a cancel of the session is news itself.
      const telling = CancellationScope.nonCancellable(() => handle.signal(SESSION_NEWS_SIGNAL, news));
      await telling.catch(() => undefined);
    }
    isTelling = false;
  };
  return (status) => {
    const news = newsOf(status);
    const { state, guest, powerState, waitsForTurn } = news;
    const key = JSON.stringify([state, guest, powerState, waitsForTurn]);
    if (key === known) return;
    known = key;
    next = news;
    void tell();
  };
}

function newsOf(status: SessionStatus): SessionNews {
  const { sessionId, state, jobId, guest, powerState, vm, timings, finalize } = status;
  const news = { sessionId, state, jobId, guest, powerState, vm, timings };
  return finalize?.waitsFor === undefined ? news : { ...news, waitsForTurn: true };
}

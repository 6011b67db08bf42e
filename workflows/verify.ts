// Checks every block of the chain: beside the session, so that it costs no second of the start, or before it.
// Reading the whole chain takes as long as it takes; the Activity reports by signal how far it is.
import { longSteps } from './activities-of.ts';
import { cancelled, failureFrom, reasonOf, sentence } from './failure.ts';
import type { Session } from './session.ts';

/** Ends with the chain found whole; fails with BlockCorrupt and what is wrong with it. */
export async function verifyBefore(session: Session, jobId: string): Promise<void> {
  const { record } = session;
  record.say('Verify: checks every block of the chain before all else');
  await runVerify(session, jobId);
  const { findings } = record.status().verify;
  if (findings.length > 0) {
    const message = `The chain of job ${jobId} is damaged. ${findings.map(sentence).join(' ')}`;
    throw failureFrom({ type: 'BlockCorrupt', message, details: [] });
  }
}

/** Ends when the chain was checked, whatever came of it: the session's record says what. */
export async function verifyBeside(session: Session, jobId: string): Promise<void> {
  const { record } = session;
  record.say('Verify: checks every block of the chain beside all else');
  try {
    await runVerify(session, jobId);
  } catch (error) {
    if (cancelled(error)) throw error;
    const reason = reasonOf(error, 'verify');
    const verify = record.status().verify;
    const findings = [...verify.findings, `verify could not finish: ${reason.message}`];
    record.update({
      verify: { ...verify, state: 'failed', findings },
      status: reason.type === 'BlockCorrupt' || reason.type === 'ChainBroken' ? 'Error' : 'Warning',
    });
    record.say(`Verify could not finish: ${reason.message}`, 'error');
  }
}

async function runVerify({ input, record }: Session, jobId: string): Promise<void> {
  record.update({ verify: { ...record.status().verify, state: 'running' } });
  const source = { ...input.source, jobId };
  const result = await longSteps(input.site).verifyChain({ sessionId: input.sessionId, source });
  const { checkedBytes, findings } = result;
  record.report({ kind: 'verify', checkedBytes, totalBytes: checkedBytes, findings });
  const state = findings.length === 0 ? 'passed' : 'failed';
  record.update({ verify: { ...record.status().verify, state } });
  if (state === 'passed') record.say('Verify passed: every block of the chain is whole');
}

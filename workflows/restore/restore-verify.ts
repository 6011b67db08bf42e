// The verify that runs beside a restore's copying: what it finds keeps the backup from production.
import { CancellationScope } from '@temporalio/workflow';
import { failureFrom, sentence } from '../failure.ts';
import type { Session } from '../session.ts';
import { verifyBeside } from '../verify.ts';

/** Does `work` beside the verify, where one was asked for; `verified` waits for its end. Whatever ends the work ends it, too. */
export async function besideVerify<T>(
  session: Session,
  jobId: string,
  work: (verified: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const beside = new CancellationScope({ cancellable: true });
  const verified = beside.run(async () => {
    if (session.input.verify === 'beside') await verifyBeside(session, jobId);
  });
  verified.catch(() => undefined);
  try {
    return await work(() => verified);
  } finally {
    beside.cancel();
  }
}

/** Throws BlockCorrupt where a verify beside the copying has found damage so far, or could not go on. */
export function assertWhole({ record }: Session): void {
  const { state, findings } = record.status().verify;
  if (state !== 'failed' && findings.length === 0) return;
  const message = `The verify did not find the backup whole, so it is not restored as it is. ${findings.map(sentence).join(' ')}`;
  throw failureFrom({ type: 'BlockCorrupt', message: message.trim(), details: [] });
}

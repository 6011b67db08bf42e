// Reads every block of a VM at a job and checks seal and digest. It takes as long as it takes; a worker that
// takes over goes on where the last one was.
import { z } from 'zod';
import type { SessionReport, VerifyChainInput, VerifyChainResult } from '../contract/index.ts';
import type { VerifyProgress } from '../vault/index.ts';
import type { ActivityDeps } from './deps.ts';
import { unlockSource } from './source.ts';
import type { Step } from './step.ts';
import { throttledReport } from './throttled-report.ts';

const leftSchema = z.object({
  cursor: z.object({ vmName: z.string(), diskName: z.string(), blockNumber: z.number() }),
  findings: z.array(z.string()),
});

export async function verifyChain(
  deps: Pick<ActivityDeps, 'vaults' | 'siteKey'>,
  { source }: VerifyChainInput,
  step: Step,
): Promise<VerifyChainResult> {
  const set = await unlockSource(deps, source, step);
  const earlier = leftSchema.safeParse(step.leftByEarlier).data;
  const found = new Set(earlier?.findings);
  const reports = throttledReport(step);
  const onProgress = ({ checkedBytes, totalBytes, cursor, findings }: VerifyProgress): void => {
    const before = found.size;
    for (const finding of findings) found.add(finding);
    step.leave({ cursor, findings: [...found] });
    const report: SessionReport = { kind: 'verify', checkedBytes, totalBytes, findings: [...found] };
    reports.tell(totalBytes === 0 ? 0 : checkedBytes / totalBytes, report, found.size > before);
  };
  const result = await set.verify(source.jobId, source.vmName, {
    onProgress,
    signal: step.signal,
    ...(earlier === undefined ? {} : { resumeFrom: earlier.cursor }),
  });
  await reports.settled();
  for (const finding of result.findings) found.add(finding);
  return { checkedBytes: result.totalBytes, findings: [...found] };
}

// Reads the certificate that a target shows, for a person to compare and pin.
import type { TargetInfo, TargetInfoInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';

export async function targetInfo(
  { targets }: Pick<ActivityDeps, 'targets'>,
  { host, port }: TargetInfoInput,
  step: Step,
): Promise<TargetInfo> {
  return { host, port, fingerprint: await targets.readFingerprint(host, port, step.signal) };
}

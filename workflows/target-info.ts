// Shows the certificate of a target as the site sees it, before anybody logs in.
import type { TargetInfo, TargetInfoInput } from '../contract/index.ts';
import { shortSteps } from './activities-of.ts';
import { endWith } from './failure.ts';

export async function targetInfo(input: TargetInfoInput): Promise<TargetInfo> {
  return shortSteps(input.site).targetInfo(input).catch(endWith('target info'));
}

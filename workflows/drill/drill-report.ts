// Reads the report of one drill at a site.
import type { DrillReportInput, DrillResult } from '../../contract/index.ts';
import { shortSteps } from '../activities-of.ts';
import { endWith } from '../failure.ts';

export async function drillReport(input: DrillReportInput): Promise<DrillResult> {
  return shortSteps(input.site).drillReport(input).catch(endWith('drill report'));
}

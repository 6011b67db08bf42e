// Lists the reports of a site's drills.
import type { DrillReportsInput, DrillReportsResult } from '../../contract/index.ts';
import { shortSteps } from '../activities-of.ts';
import { endWith } from '../failure.ts';

export async function drillReports(input: DrillReportsInput): Promise<DrillReportsResult> {
  return shortSteps(input.site).drillReports(input).catch(endWith('drill reports'));
}

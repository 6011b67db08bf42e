// Shows what is left at a site of Workflows that ended without an end of their own.
import type { OrphansInput, OrphansResult } from '../../contract/index.ts';
import { shortSteps } from '../activities-of.ts';
import { endWith } from '../failure.ts';

export async function orphans(input: OrphansInput): Promise<OrphansResult> {
  return shortSteps(input.site).findOrphans(input).catch(endWith('orphans'));
}

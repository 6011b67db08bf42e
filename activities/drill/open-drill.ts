// Before a drill touches anything: the host that all its VMs run on, because their network is that host's, and the
// folder of its report, because a drill whose report can't be written had better not begin.
import { type DrillPlace, datastoreName, type OpenDrillInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureForFindings, findings } from '../preflight/findings.ts';
import { choosePlace } from '../preflight/placement.ts';
import type { Step } from '../step.ts';
import { withTarget } from '../target.ts';
import { assertOwnDrill } from './own-drill.ts';
import { makeReportFolder } from './report-folder.ts';

export async function openDrill(
  deps: Pick<ActivityDeps, 'site' | 'siteKey' | 'targets' | 'drillReports'>,
  { drillId, target, placement, reportFolder }: OpenDrillInput,
  step: Step,
): Promise<DrillPlace> {
  assertOwnDrill(step, drillId);
  await makeReportFolder(deps, { drillId, reportFolder });
  return withTarget(deps, step, target, async (vsphere) => {
    const found = findings(false);
    const inventory = await vsphere.inventory({ signal: step.signal });
    const wanted = { ...placement, network: 'isolated' as const };
    const place = choosePlace(inventory, wanted, datastoreName(deps.site), found);
    const failure = failureForFindings(found.all);
    if (failure !== undefined) throw failure;
    if (place === undefined) throw new Error('no place was found, and no reason why');
    return { host: { moref: place.host.moref, name: place.host.name } };
  });
}

// For whom a sealed secret must have been sealed, to open in a step: the one place that decides.
//
// A session's secrets are sealed for its Workflow Id, and open in its steps alone. A drill's are sealed for its
// name, because a schedule runs it again and again, and each run has Workflow Ids that nobody knew when the secret
// was sealed. What such a secret can be used for is therefore bounded by what a site does for Workflows with a
// drill's ids, whoever started them:
// - the steps below, and no others: it opens for no backup, and for nothing that takes a VM to production;
// - a session with a drill's id is run isolated, or not at all (drill/isolation.ts reads everything from the id);
// - each session id is good for one export, which can't be published again once it was dropped.
// So whoever takes the sealed secrets from a schedule can run that drill, and nothing else, as can everybody who
// may trigger the schedule.
import { drillOfSession, drillOfWorkflow, drillWorkflowId, type SiteActivities } from '../contract/index.ts';
import { failureFor } from './failures.ts';

const drillSteps: ReadonlySet<string> = new Set<keyof SiteActivities>([
  'openDrill',
  'makeDrillNetwork',
  'removeDrillNetwork',
  'takeDrillPicture',
  'preflight',
  'publish',
  'mount',
  'unmount',
  'registerVm',
  'unregisterVm',
  'powerOnVm',
  'powerOffVm',
  'inspectVm',
  'awaitGuest',
  'watchVm',
  'lookForTraces',
]);

/** The binding's `workflowId` for a step of this Workflow. Throws SecretRejected for a step that no drill has. */
export function secretOwner(workflowId: string, activityType: string): string {
  const drill = drillOfWorkflow(workflowId) ?? drillOfSession(workflowId);
  if (drill === undefined) return workflowId;
  if (drillSteps.has(activityType)) return drillWorkflowId(drill.name);
  throw failureFor(
    'SecretRejected',
    `a drill's secrets are for the drill alone, and open for no ${activityType}`,
  );
}

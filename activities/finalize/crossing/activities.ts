// A crossing's steps, each in the frame of step.ts.
import type { CrossingActivities } from '../../../contract/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { runStep } from '../../step.ts';
import { claimProductionFolder, releaseProductionFolder, removeProductionFolder } from './claim-folder.ts';
import { copyFrozenDisk } from './copy-frozen-disk.ts';
import { fenceOldVm, returnOldVm } from './fence-old-vm.ts';
import { freezeDisks, thawDisks } from './freeze-disks.ts';
import { bringGuestBack, takeGuestAway } from './guest-away.ts';
import { joinInProduction, sightInProduction, withdrawFromProduction } from './join-in-production.ts';
import { runInProduction } from './run-in-production.ts';
import { settleInProduction } from './settle-in-production.ts';
import { stageVm } from './stage-vm.ts';

export function crossingActivities(deps: ActivityDeps): CrossingActivities {
  return {
    claimProductionFolder: (input) => runStep((step) => claimProductionFolder(deps, input, step)),
    freezeDisks: (input) => runStep((step) => freezeDisks(deps, input, step)),
    copyFrozenDisk: (input) => runStep((step) => copyFrozenDisk(deps, input, step)),
    takeGuestAway: (input) => runStep((step) => takeGuestAway(deps, input, step)),
    stageVm: (input) => runStep((step) => stageVm(deps, input, step)),
    fenceOldVm: (input) => runStep((step) => fenceOldVm(deps, input, step)),
    joinInProduction: (input) => runStep((step) => joinInProduction(deps, input, step)),
    sightInProduction: (input) => runStep((step) => sightInProduction(deps, input, step)),
    runInProduction: (input) => runStep((step) => runInProduction(deps, input, step)),
    settleInProduction: (input) => runStep((step) => settleInProduction(deps, input, step)),
    releaseProductionFolder: (input) => runStep((step) => releaseProductionFolder(deps, input, step)),
    withdrawFromProduction: (input) => runStep((step) => withdrawFromProduction(deps, input, step)),
    returnOldVm: (input) => runStep((step) => returnOldVm(deps, input, step)),
    bringGuestBack: (input) => runStep((step) => bringGuestBack(deps, input, step)),
    thawDisks: (input) => runStep((step) => thawDisks(deps, input, step)),
    removeProductionFolder: (input) => runStep((step) => removeProductionFolder(deps, input, step)),
  };
}

// The site's Activities, built from its engines. Each is one file; each runs in the frame of step.ts.
import type { SiteActivities } from '../contract/index.ts';
import { answerQuestion } from './answer-question.ts';
import { awaitGuest } from './await-guest.ts';
import { backup } from './backup.ts';
import { askSession } from './batch/ask-session.ts';
import { awaitSession } from './batch/await-session.ts';
import { preflightBatch } from './batch/preflight-batch.ts';
import { openBrowse } from './browse/open-browse.ts';
import { claimChangesFolder, removeChangesFolder } from './changes/changes-folder.ts';
import { redirectChanges } from './changes/redirect-changes.ts';
import { findOrphans } from './clean-up/find-orphans.ts';
import { lookForTraces } from './clean-up/look-for-traces.ts';
import type { ActivityDeps } from './deps.ts';
import { makeDrillNetwork, removeDrillNetwork } from './drill/network.ts';
import { openDrill } from './drill/open-drill.ts';
import { drillReport, drillReports } from './drill/read-reports.ts';
import { takeDrillPicture } from './drill/take-picture.ts';
import { writeDrillReport } from './drill/write-report.ts';
import { dropExport } from './drop-export.ts';
import { clearFolders } from './finalize/clear-folders.ts';
import { crossingActivities } from './finalize/crossing/activities.ts';
import { endMigration } from './finalize/end-migration.ts';
import { finalizePreflight } from './finalize/finalize-preflight.ts';
import { handOverVm } from './finalize/hand-over-vm.ts';
import { migrateVm } from './finalize/migrate-vm.ts';
import { removeOriginal, restoreOriginal, setOriginalAside } from './finalize/original-steps.ts';
import { proveArrival } from './finalize/prove-arrival.ts';
import { awaitTurn, releaseTurn } from './finalize/turn.ts';
import { inspectVm } from './inspect-vm.ts';
import { keepSession } from './keep-session.ts';
import { makeRoom } from './make-room.ts';
import { mount } from './mount.ts';
import { powerOffVm } from './power-off-vm.ts';
import { powerOnVm } from './power-on-vm.ts';
import { preflight } from './preflight/preflight.ts';
import { proveActivities } from './prove/activities.ts';
import { publish } from './publish.ts';
import { liftReadLimit, limitReads } from './read-limit.ts';
import { registerVm } from './register-vm.ts';
import { copyRestoreDisk } from './restore/copy-restore-disk.ts';
import { claimRestoreFolder, releaseRestoreFolder, removeRestore } from './restore/production-folder.ts';
import { registerRestoredVm } from './restore/register-restored-vm.ts';
import { restorePreflight } from './restore/restore-preflight.ts';
import { writeVmFiles } from './restore/write-vm-files.ts';
import { attachRestoredDisk } from './restore-disk/attach.ts';
import { copyDiskToVm } from './restore-disk/copy.ts';
import { openDiskFolder } from './restore-disk/disk-file.ts';
import { restoreDiskPreflight } from './restore-disk/preflight.ts';
import { removeRestoredDisk } from './restore-disk/remove.ts';
import { siteInfo } from './site-info.ts';
import { runStep } from './step.ts';
import { targetInfo } from './target-info.ts';
import { unmount } from './unmount.ts';
import { unregisterVm } from './unregister-vm.ts';
import { vaultInit } from './vault-init.ts';
import { vaultList } from './vault-list.ts';
import { verifyChain } from './verify-chain.ts';
import { watchVm } from './watch-vm.ts';

export type { ActivityDeps, Gateway, TargetLogin, Targets } from './deps.ts';

export function createActivities(deps: ActivityDeps): SiteActivities {
  return {
    preflight: (input) => runStep((step) => preflight(deps, input, step)),
    preflightBatch: (input) => runStep((step) => preflightBatch(deps, input, step)),
    askSession: (input) => runStep((step) => askSession(input, step)),
    awaitSession: (input) => runStep((step) => awaitSession(input, step)),
    verifyChain: (input) => runStep((step) => verifyChain(deps, input, step)),
    publish: (input) => runStep((step) => publish(deps, input, step)),
    dropExport: (input) => runStep((step) => dropExport(deps, input, step)),
    mount: (input) => runStep((step) => mount(deps, input, step)),
    unmount: (input) => runStep((step) => unmount(deps, input, step)),
    registerVm: (input) => runStep((step) => registerVm(deps, input, step)),
    unregisterVm: (input) => runStep((step) => unregisterVm(deps, input, step)),
    powerOnVm: (input) => runStep((step) => powerOnVm(deps, input, step)),
    powerOffVm: (input) => runStep((step) => powerOffVm(deps, input, step)),
    makeRoom: (input) => runStep((step) => makeRoom(deps, input, step)),
    limitReads: (input) => runStep((step) => limitReads(deps, input, step)),
    liftReadLimit: (input) => runStep((step) => liftReadLimit(deps, input, step)),
    inspectVm: (input) => runStep((step) => inspectVm(deps, input, step)),
    awaitGuest: (input) => runStep((step) => awaitGuest(deps, input, step)),
    watchVm: (input) => runStep((step) => watchVm(deps, input, step)),
    answerQuestion: (input) => runStep((step) => answerQuestion(deps, input, step)),
    finalizePreflight: (input) => runStep((step) => finalizePreflight(deps, input, step)),
    migrateVm: (input) => runStep((step) => migrateVm(deps, input, step)),
    endMigration: (input) => runStep((step) => endMigration(deps, input, step)),
    awaitTurn: (input) => runStep((step) => awaitTurn(deps, input, step)),
    releaseTurn: (input) => runStep((step) => releaseTurn(deps, input, step)),
    clearFolders: (input) => runStep((step) => clearFolders(deps, input, step)),
    setOriginalAside: (input) => runStep((step) => setOriginalAside(deps, input, step)),
    restoreOriginal: (input) => runStep((step) => restoreOriginal(deps, input, step)),
    removeOriginal: (input) => runStep((step) => removeOriginal(deps, input, step)),
    proveArrival: (input) => runStep((step) => proveArrival(deps, input, step)),
    ...crossingActivities(deps),
    claimChangesFolder: (input) => runStep((step) => claimChangesFolder(deps, input, step)),
    redirectChanges: (input) => runStep((step) => redirectChanges(deps, input, step)),
    removeChangesFolder: (input) => runStep((step) => removeChangesFolder(deps, input, step)),
    findOrphans: () => runStep((step) => findOrphans(deps, step)),
    lookForTraces: (input) => runStep((step) => lookForTraces(deps, input, step)),
    handOverVm: (input) => runStep((step) => handOverVm(deps, input, step)),
    keepSession: (input) => runStep((step) => keepSession(deps, input, step)),
    vaultInit: (input) => runStep((step) => vaultInit(deps, input, step)),
    vaultList: (input) => runStep(() => vaultList(deps, input)),
    restorePreflight: (input) => runStep((step) => restorePreflight(deps, input, step)),
    claimRestoreFolder: (input) => runStep((step) => claimRestoreFolder(deps, input, step)),
    copyRestoreDisk: (input) => runStep((step) => copyRestoreDisk(deps, input, step)),
    writeVmFiles: (input) => runStep((step) => writeVmFiles(deps, input, step)),
    registerRestoredVm: (input) => runStep((step) => registerRestoredVm(deps, input, step)),
    removeRestore: (input) => runStep((step) => removeRestore(deps, input, step)),
    releaseRestoreFolder: (input) => runStep((step) => releaseRestoreFolder(deps, input, step)),
    restoreDiskPreflight: (input) => runStep((step) => restoreDiskPreflight(deps, input, step)),
    openDiskFolder: (input) => runStep((step) => openDiskFolder(deps, input, step)),
    copyDiskToVm: (input) => runStep((step) => copyDiskToVm(deps, input, step)),
    attachRestoredDisk: (input) => runStep((step) => attachRestoredDisk(deps, input, step)),
    removeRestoredDisk: (input) => runStep((step) => removeRestoredDisk(deps, input, step)),
    openBrowse: (input) => runStep((step) => openBrowse(deps, input, step)),
    openDrill: (input) => runStep((step) => openDrill(deps, input, step)),
    makeDrillNetwork: (input) => runStep((step) => makeDrillNetwork(deps, input, step)),
    removeDrillNetwork: (input) => runStep((step) => removeDrillNetwork(deps, input, step)),
    takeDrillPicture: (input) => runStep((step) => takeDrillPicture(deps, input, step)),
    writeDrillReport: (input) => runStep((step) => writeDrillReport(deps, input, step)),
    drillReports: (input) => runStep(() => drillReports(deps, input)),
    drillReport: (input) => runStep(() => drillReport(deps, input)),
    ...proveActivities(deps),
    backup: (input) => runStep((step) => backup(deps, input, step)),
    siteInfo: () => runStep(async () => siteInfo(deps)),
    targetInfo: (input) => runStep((step) => targetInfo(deps, input, step)),
  };
}

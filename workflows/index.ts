// The Workflow Types that a worker offers; their names are in contract/names.ts.
export { backup } from './backup.ts';
export { batch } from './batch/batch.ts';
export { browse } from './browse.ts';
export { cleanUp } from './clean-up/clean-up.ts';
export { orphans } from './clean-up/orphans.ts';
export { drill } from './drill/drill.ts';
export { drillReport } from './drill/drill-report.ts';
export { drillReports } from './drill/drill-reports.ts';
export { prove } from './prove/prove.ts';
export { restore } from './restore/restore.ts';
export { restoreDisk } from './restore/restore-disk.ts';
export { runDirect } from './run-direct.ts';
export { siteInfo } from './site-info.ts';
export { targetInfo } from './target-info.ts';
export { vaultInit } from './vault-init.ts';
export { vaultList } from './vault-list.ts';

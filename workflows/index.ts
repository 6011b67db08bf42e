// The Workflow Types that a worker offers; their names are in contract/names.ts.
export { backup } from './backup.ts';
export { batch } from './batch.ts';
export { browse } from './browse.ts';
export { cleanUp } from './clean-up.ts';
export { drill } from './drill.ts';
export { drillReport } from './drill-report.ts';
export { drillReports } from './drill-reports.ts';
export { orphans } from './orphans.ts';
export { prove } from './prove.ts';
export { restore } from './restore.ts';
export { restoreDisk } from './restore-disk.ts';
export { runDirect } from './run-direct.ts';
export { siteInfo } from './site-info.ts';
export { targetInfo } from './target-info.ts';
export { vaultInit } from './vault-init.ts';
export { vaultList } from './vault-list.ts';

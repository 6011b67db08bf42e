// A report for tests: one VM that passed, unless said otherwise.
import { type DrillReport, type DrillVmReport, drillPortGroup } from '../../../contract/index.ts';

export function reportOf(drillId: string, vm: Partial<DrillVmReport> = {}): DrillReport {
  return {
    version: 1,
    drillId,
    name: 'nightly',
    verdict: vm.verdict === undefined || vm.verdict === 'passed' ? 'passed' : 'failed',
    startedAt: '2026-11-23T03:00:00.000Z',
    endedAt: '2026-11-23T03:01:30.000Z',
    site: 'main',
    target: 'esx.example:443/root',
    host: 'esx01',
    vault: '/vault',
    backupSet: 'web',
    portGroup: drillPortGroup(drillId),
    rtoMs: 60_000,
    vms: [
      {
        ...{ vmName: 'web01', sessionId: `drill-${drillId}-vm1`, verdict: 'passed', jobId: 'job-1' },
        ...{ commandedAt: '2026-11-23T03:00:01.000Z', poweredOnMs: 2_400, guestReadyMs: 19_800 },
        ...{ removedMs: 24_000, notes: [] },
        ...vm,
      },
    ],
    leftBehind: [],
  };
}

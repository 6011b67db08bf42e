// A site and its host, in memory: exports, leases, mounts and VMs that a session makes, so that a test can see
// what leaks. Steps act on it as the real ones do (idempotent, "never happened" is done), and fail as told.
import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { askSession } from '../activities/batch/ask-session.ts';
import { awaitSession } from '../activities/batch/await-session.ts';
import { runStep } from '../activities/step.ts';
import { isNew } from '../activities/watch-vm.ts';
import type {
  DrillReport,
  DrillReportFiles,
  FinalizePlan,
  FinalizeRequest,
  KeepResult,
  OriginalPlan,
  Orphan,
  Placement,
  SessionExport,
  SiteActivities,
  Vmotion,
  VmSighting,
} from '../contract/index.ts';
import { changesFolder, DEFAULT_PARALLEL_MIGRATIONS, REPORT_SIGNAL } from '../contract/index.ts';
import { queued, type Turn, waitsFor } from '../gateway/index.ts';
import { FakeCrossing } from './fake-crossing.ts';
import { fakeProof, fakeProofSteps } from './fake-proof.ts';
import { fakeRestore } from './fake-restore.ts';
import { fakeRestoreDisk } from './fake-restore-disk.ts';

export type StepName = keyof SiteActivities;

/** `before` and `after` its act a step fails for good; `hang` acts and never answers; `passing` fails once. */
export type Fault = 'before' | 'after' | 'hang' | 'passing';

export const fakePlacement: Placement = {
  targetId: 'lab-1',
  host: { moref: 'host-1', name: 'esx01' },
  folder: 'group-v1',
  resourcePool: 'resgroup-1',
  datastore: 'rundirect-main',
  vmName: 'web01',
  allow: ['127.0.0.1'],
};

const fakeExport = (sessionId: string): SessionExport => ({
  remoteHost: '127.0.0.1',
  remotePath: '/rundirect/lab-1',
  vmxPath: `${sessionId}/web01.vmx`,
});

const fakeOrphan = (sessionId: string): Orphan => ({
  ...{ sessionId, vm: 'web01', source: { vault: '/vault', backupSet: 'web', jobId: 'job-2' } },
  ...{ target: 'lab-1', since: '2026-01-01T00:00:00.000Z', changesBytes: 0, readOnly: false, fenced: false },
  ...{ ended: 'terminated', workflowType: 'runDirect', state: 'running' },
});

function fakeKept(sessionId: string, keepId: string): KeepResult {
  const [at, baseJobId] = ['2026-01-01T00:00:00.000Z', 'job-2'];
  const keptFrom = { sessionId, keepId, at, baseJobId };
  const job = { jobId: 'job-3', kind: 'delta' as const, createdAt: at, keptFrom, vms: [], storedBytes: 20 };
  const where = { sessionId, vault: '/vault', backupSet: 'web' };
  return { ...where, job, at, baseJobId, readBytes: 100, durationMs: 1 };
}

interface FakeVm {
  /** The session's marks are on it. */
  marked: boolean;
  sessionId: string;
  powerState: 'poweredOn' | 'poweredOff' | 'suspended';
  standing: VmSighting['standing'];
  /** What the host asks about it. */
  question?: VmSighting['question'];
}

export class FakeWorld {
  readonly exports = new Set<string>();
  readonly leases = new Set<string>();
  readonly vms = new Map<string, FakeVm>();
  mounted = false;
  /** Networks of drills. */
  readonly networks = new Set<string>();
  readonly proof = fakeProof();
  /** Written reports, by drill. */
  readonly reports = new Map<string, DrillReport>();
  readonly calls: StepName[] = [];
  /** What hosts were answered. */
  readonly answers: string[] = [];
  readonly faults = new Map<StepName, Fault>();
  /** READs that the gateway holds back, in bytes a second, by session. */
  readonly limits = new Map<string, number>();
  /** VMs that a batch's preflight finds fault with. */
  readonly broken = new Set<string>();
  /** What the verify finds. */
  findings: string[] = [];
  /** A migration runs at the target, whoever waits for it. */
  migrating: string | undefined;
  /** The migration of its own accord comes to its end, or runs until somebody ends it. */
  migrationEnds = true;
  /** Migrations, and those that wait for their turn. */
  turns: readonly Turn[] = [];
  /** Folders of production that a restore has made its own, by session. */
  readonly folders = new Set<string>();
  /** Folders of sessions' changes. */
  readonly changes = new Set<string>();
  /** Restored disks, by session: their files, and whether VMs have them. */
  readonly restoredDisks = new Map<string, 'copied' | 'attached'>();
  /** A copy that runs at the target. */
  copying: string | undefined;
  /** Copies come to their end, or run until somebody ends them. */
  copiesEnd = true;
  /** The VM that the backup was made of. */
  original: { name: string; powerState: 'poweredOn' | 'poweredOff' } | undefined;
  /** What a look at a VM that has come to production says. */
  proven = true;
  /** Files lie where a VM goes. */
  leftFiles = true;
  /** Keeps come to their end, or run until somebody cancels them. */
  keepEnds = true;
  /** Keeps that became a job. */
  readonly kept = new Set<string>();
  /** The guest's heartbeat: comes at once, or never. */
  guestComes = true;
  /** A host alone, which migrates nothing itself. */
  isHostAlone = false;
  /** What a finalize may try after the way that its preflight chose. */
  fallbacks: readonly Vmotion[] | undefined;
  readonly crossing = new FakeCrossing(this);
  #changed: (() => void)[] = [];

  /** What is left of any session. */
  get leftovers(): string[] {
    return [
      ...[...this.exports].map((id) => `export ${id}`),
      ...[...this.leases].map((id) => `lease ${id}`),
      ...[...this.vms.keys()].map((moref) => `VM ${moref}`),
      ...(this.mounted ? ['mount'] : []),
      ...[...this.networks].map((id) => `network of ${id}`),
      ...this.proof.left,
      ...this.turns.map(({ sessionId }) => `turn of ${sessionId}`),
      ...[...this.folders].map((id) => `folder of ${id}`),
      ...[...this.changes].map((id) => `folder of changes of ${id}`),
      ...[...this.restoredDisks].map(([id, state]) => `disk of ${id}, ${state}`),
      ...(this.copying === undefined ? [] : [this.copying]),
      ...(this.migrating === undefined ? [] : [`migration of ${this.migrating}`]),
      ...this.crossing.leftovers,
      ...[...this.limits.keys()].map((id) => `limit of ${id}`),
    ];
  }

  /** One step of a part of the world that lies elsewhere. */
  step<T>(name: StepName, act: () => T): Promise<T> {
    return this.#step(name, act);
  }

  /** A copy reads nothing while it is paused; a target that waits for a READ can't give it up, either. */
  async untilRead(sessionId: string): Promise<void> {
    const { heartbeat, cancellationSignal } = Context.current();
    while (this.limits.get(sessionId) === 0) {
      heartbeat();
      await delay(20);
    }
    if (cancellationSignal.aborted) throw new CancelledFailure('cancelled');
  }

  /** Somebody else changes the VM; the watch sees it. */
  change(moref: string, change: Partial<FakeVm>): void {
    const vm = this.vms.get(moref);
    if (vm !== undefined) Object.assign(vm, change);
    for (const wake of this.#changed.splice(0)) wake();
  }

  async #step<T>(name: StepName, act: () => T): Promise<T> {
    this.calls.push(name);
    const fault = this.faults.get(name);
    if (fault === 'before') throw failure(name);
    if (fault === 'passing') {
      this.faults.delete(name);
      throw ApplicationFailure.retryable(`${name} did not reach the host`, 'TargetUnavailable');
    }
    const answer = act();
    if (fault === 'after') throw failure(name);
    if (fault === 'hang') await untilCancelled();
    return answer;
  }

  #removeVm(sessionId: string): void {
    for (const [moref, vm] of this.vms) if (vm.sessionId === sessionId) this.vms.delete(moref);
  }

  #own(moref: string | undefined, sessionId: string): [string, FakeVm] | undefined {
    const found = [...this.vms].find(([id, vm]) => vm.sessionId === sessionId && (moref ?? id) === id);
    if (found !== undefined && found[1].standing !== 'ours') {
      throw ApplicationFailure.nonRetryable(`${found[0]} was moved`, 'VmMoved');
    }
    return found;
  }

  #sight(moref: string): VmSighting {
    const vm = this.vms.get(moref);
    if (vm === undefined) return { standing: 'gone', powerState: undefined, detail: 'not in the inventory' };
    const { standing, powerState, question } = vm;
    return { standing, powerState, question, detail: `[${standing}] web01.vmx` };
  }

  #originalPlan({ removeOriginal }: FinalizeRequest): OriginalPlan {
    const { name = '', powerState } = this.original ?? {};
    return {
      ...{ moref: 'vm-original', name, asideName: `${name}.replaced`, uuid: 'u', recognised: 'by its UUID' },
      wasPoweredOn: powerState === 'poweredOn',
      remove: removeOriginal === true,
    };
  }

  #way(
    moref: string,
    { vmotion, guestAway }: FinalizeRequest,
  ): Pick<FinalizePlan, 'mode' | 'guestAway' | 'crossing' | 'fallbacks'> {
    const isOn = this.vms.get(moref)?.powerState === 'poweredOn';
    const asked = { auto: this.isHostAlone ? 'shortOutage' : 'live', 'short-outage': 'shortOutage' } as const;
    const mode = !isOn || vmotion === 'cold' ? 'cold' : vmotion === 'live' ? 'live' : asked[vmotion];
    const whileRunning = mode === 'shortOutage';
    const place = { name: 'web01', folder: 'group-v1', resourcePool: 'resgroup-1', host: 'host-1' };
    const folder = { datastore: 'prod', folder: 'web01' };
    const frozen = this.changes.size > 0 ? { isFrozen: true } : {};
    const crosses = whileRunning || (mode === 'cold' && this.isHostAlone);
    const away = whileRunning ? (guestAway ?? 'suspend') : 'shutDown';
    return {
      mode,
      ...(isOn && mode !== 'live' ? { guestAway: away } : {}),
      ...(crosses ? { crossing: { folder, whileRunning, place, from: place, ...frozen } } : {}),
      ...(vmotion === 'auto' && this.fallbacks !== undefined ? { fallbacks: this.fallbacks } : {}),
    };
  }

  /** The VM is in production from here on. */
  #arrive(moref: string): void {
    this.migrating = undefined;
    this.change(moref, { standing: 'moved' });
  }

  readonly activities: SiteActivities = {
    ...this.crossing.activities,
    preflight: async (input) =>
      this.#step('preflight', () => ({
        jobId: 'job-2',
        provisionedBytes: 1024,
        placement: {
          ...fakePlacement,
          vmName: input.placement.name ?? input.source.vmName,
          ...(input.changes && { changes: changesFolder(input.changes.datastore, input.sessionId) }),
        },
        warnings: [],
      })),
    preflightBatch: async ({ sessions }) =>
      this.#step('preflightBatch', () => ({
        vms: sessions.map(({ sessionId, source: { vmName } }) => ({
          sessionId,
          jobId: 'job-2',
          failure: this.broken.has(vmName)
            ? { type: 'ChainBroken', message: `${vmName} lacks a file` }
            : undefined,
        })),
      })),
    askSession: (input) => runStep((step) => askSession(input, step)),
    awaitSession: (input) => runStep((step) => awaitSession(input, step)),
    verifyChain: async ({ sessionId }) => {
      const context = Context.current();
      const handle = context.client.workflow.getHandle(sessionId);
      const report = { kind: 'verify', checkedBytes: 512, totalBytes: 1024, findings: this.findings };
      await handle.signal(REPORT_SIGNAL, report);
      return this.#step('verifyChain', () => ({ checkedBytes: 1024, findings: this.findings }));
    },
    publish: async ({ sessionId }) =>
      this.#step('publish', () => {
        this.exports.add(sessionId);
        return fakeExport(sessionId);
      }),
    dropExport: async ({ sessionId }) =>
      this.#step('dropExport', () => {
        this.exports.delete(sessionId);
      }),
    mount: async ({ sessionId }) =>
      this.#step('mount', () => {
        this.leases.add(sessionId);
        this.mounted = true;
      }),
    unmount: async ({ sessionId }) =>
      this.#step('unmount', () => {
        this.leases.delete(sessionId);
        if (this.leases.size > 0) return { unmounted: false, reason: 'another session uses it' };
        this.mounted = false;
        return { unmounted: true, reason: undefined };
      }),
    registerVm: async ({ sessionId, placement }) =>
      this.#step('registerVm', () => {
        const moref = `vm-${sessionId}`;
        this.vms.set(moref, {
          sessionId,
          marked: true,
          powerState: 'poweredOff',
          standing: 'ours',
        });
        const { vmName, host, datastore } = placement;
        return { moref, name: vmName, hostName: host.name, datastore };
      }),
    unregisterVm: async ({ moref, sessionId, sparesGuest }) =>
      this.#step('unregisterVm', () => {
        const own = this.#own(moref, sessionId);
        if (own?.[1].powerState === 'poweredOn') {
          if (sparesGuest === true) throw ApplicationFailure.nonRetryable('it runs', 'GuestRuns');
          throw ApplicationFailure.retryable('it is on', 'Unexpected');
        }
        if (own !== undefined) this.vms.delete(own[0]);
      }),
    claimChangesFolder: async ({ sessionId }) =>
      this.#step('claimChangesFolder', () => {
        this.changes.add(sessionId);
      }),
    redirectChanges: async ({ sessionId }) =>
      this.#step('redirectChanges', () => {
        if (!this.changes.has(sessionId)) throw failure('redirectChanges');
      }),
    removeChangesFolder: async ({ sessionId }) =>
      this.#step('removeChangesFolder', () => {
        const isUsed = [...this.vms.values()].some(
          (vm) => vm.sessionId === sessionId && vm.standing !== 'moved',
        );
        if (isUsed) throw ApplicationFailure.nonRetryable('a VM stands on it', 'NotOurs');
        this.changes.delete(sessionId);
      }),
    powerOnVm: async ({ moref }) =>
      this.#step('powerOnVm', () => {
        this.change(moref, { powerState: 'poweredOn' });
        return { poweredOnAtMs: Date.now() };
      }),
    powerOffVm: async ({ moref, sessionId }) =>
      this.#step('powerOffVm', () => {
        const own = this.#own(moref, sessionId);
        if (own !== undefined) own[1].powerState = 'poweredOff';
      }),
    makeRoom: async ({ sessionId, bytes }) =>
      this.#step('makeRoom', () => ({ sessionId, reservedBytes: bytes, usedBytes: 0 })),
    limitReads: async ({ sessionId, bytesPerSecond }) =>
      this.#step('limitReads', () => void this.limits.set(sessionId, bytesPerSecond)),
    liftReadLimit: async ({ sessionId }) =>
      this.#step('liftReadLimit', () => void this.limits.delete(sessionId)),
    inspectVm: async ({ moref }) => this.#step('inspectVm', () => this.#sight(moref)),
    awaitGuest: async () =>
      this.#step('awaitGuest', () => ({ readyAtMs: this.guestComes ? Date.now() : undefined })),
    answerQuestion: async ({ moref, questionId, choiceKey }) =>
      this.#step('answerQuestion', () => {
        this.answers.push(`${questionId}: ${choiceKey}`);
        this.change(moref, { question: undefined });
      }),
    watchVm: async ({ moref, known }) => {
      this.calls.push('watchVm');
      const { cancelled } = Context.current();
      for (;;) {
        const seen = this.#sight(moref);
        if (isNew(seen, known)) return seen;
        const change = new Promise<void>((resolve) => this.#changed.push(resolve));
        await Promise.race([change, cancelled, heartbeats()]);
      }
    },
    finalizePreflight: async ({ moref, request }) =>
      this.#step('finalizePreflight', () => ({
        ...this.#way(moref, request),
        datastore: { moref: 'ds-1', name: request.datastore ?? 'of the original' },
        host: undefined,
        folder: undefined,
        resourcePool: undefined,
        totalBytes: 1024,
        warnings: [],
        ...(request.location === undefined ? {} : { original: this.#originalPlan(request) }),
        ...(request.overwrite === true ? { overwrite: ['[prod] web01'] } : {}),
      })),
    awaitTurn: async ({ sessionId, plan }) => {
      const turn = { sessionId, places: [plan.datastore.moref] };
      let waited = await this.#step('awaitTurn', () => {
        this.turns = queued(this.turns, turn);
        return false;
      });
      for (;;) {
        const before = waitsFor(this.turns, { ...turn, atATime: DEFAULT_PARALLEL_MIGRATIONS });
        if (before.length === 0) return { waited };
        const handle = Context.current().client.workflow.getHandle(sessionId);
        if (!waited) await handle.signal(REPORT_SIGNAL, { kind: 'turn', waitsFor: before });
        waited = true;
        await Promise.race([Context.current().cancelled, delay(50)]);
        Context.current().heartbeat();
      }
    },
    releaseTurn: async ({ sessionId }) =>
      this.#step('releaseTurn', () => {
        this.turns = this.turns.filter((turn) => turn.sessionId !== sessionId);
      }),
    clearFolders: async () =>
      this.#step('clearFolders', () => {
        this.leftFiles = false;
      }),
    setOriginalAside: async ({ plan }) =>
      this.#step('setOriginalAside', () => {
        this.original = { name: plan.original?.asideName ?? '', powerState: 'poweredOff' };
      }),
    restoreOriginal: async ({ moref, plan: { original } }) =>
      this.#step('restoreOriginal', () => {
        if (this.vms.get(moref)?.standing === 'moved') {
          throw ApplicationFailure.nonRetryable(`${moref} is in production`, 'VmMoved');
        }
        const powerState = original?.wasPoweredOn === true ? 'poweredOn' : 'poweredOff';
        this.original = { name: original?.name ?? '', powerState };
        return { standsAs: this.original.name };
      }),
    removeOriginal: async () =>
      this.#step('removeOriginal', () => {
        this.original = undefined;
      }),
    proveArrival: async () =>
      this.#step('proveArrival', () => ({ proven: this.proven, detail: 'as was told' })),
    migrateVm: async ({ moref, sessionId }) => {
      const handle = Context.current().client.workflow.getHandle(sessionId);
      await this.untilRead(sessionId);
      await this.#step('migrateVm', () => {
        if (this.vms.get(moref)?.standing === 'ours') this.migrating = moref;
        if (this.migrationEnds) this.#arrive(moref);
      });
      const report = { kind: 'migration', percent: 50, bytesPerSecond: 100, leftMs: 5_000 };
      await handle.signal(REPORT_SIGNAL, report);
      if (this.migrating !== undefined) await untilCancelled();
    },
    endMigration: async ({ moref }) =>
      this.#step('endMigration', () => {
        this.migrating = undefined;
        return this.#sight(moref);
      }),
    findOrphans: async () =>
      this.#step('findOrphans', () => ({
        orphans: [...this.exports].map((sessionId) => fakeOrphan(sessionId)),
      })),
    lookForTraces: async ({ sessionId }) =>
      this.#step('lookForTraces', () => {
        if (!this.exports.has(sessionId)) return { place: undefined, hosts: [], vms: [] };
        const changes = this.changes.has(sessionId) ? { changes: changesFolder('prod', sessionId) } : {};
        const own = [...this.vms].filter(([, vm]) => vm.sessionId === sessionId && vm.marked);
        return {
          place: { placement: { ...fakePlacement, ...changes }, exported: fakeExport(sessionId) },
          hosts: this.leases.has(sessionId) ? [{ ...fakePlacement.host, leased: true }] : [],
          vms: own.map(([moref]) => ({ moref, name: 'web01', ...this.#sight(moref) })),
        };
      }),
    handOverVm: async ({ moref }) =>
      this.#step('handOverVm', () => {
        const vm = this.vms.get(moref);
        if (vm === undefined) return { location: undefined };
        if (vm.standing !== 'moved') throw ApplicationFailure.nonRetryable(`${moref} is here`, 'NotOurs');
        vm.marked = false;
        return { location: '[prod] web01/web01.vmx' };
      }),
    openDrill: async () => this.#step('openDrill', () => ({ host: fakePlacement.host })),
    makeDrillNetwork: async ({ drillId }) =>
      this.#step('makeDrillNetwork', () => {
        this.networks.add(drillId);
      }),
    removeDrillNetwork: async ({ drillId }) =>
      this.#step('removeDrillNetwork', () => {
        if (this.vms.size > 0) throw ApplicationFailure.retryable('a VM is on it', 'ResourceInUse');
        this.networks.delete(drillId);
      }),
    takeDrillPicture: async ({ sessionId }) =>
      this.#step('takeDrillPicture', () => ({
        file: `${sessionId}.png`,
        sha256: '0'.repeat(64),
        sizeBytes: 70,
      })),
    writeDrillReport: async ({ drillId, report }) =>
      this.#step('writeDrillReport', () => {
        this.reports.set(drillId, report);
        return reportFiles(drillId);
      }),
    drillReports: async () =>
      this.#step('drillReports', () => ({
        drills: [...this.reports].map(([id, report]) => ({ report, files: reportFiles(id) })),
        damaged: [],
      })),
    drillReport: async ({ drillId }) =>
      this.#step('drillReport', () => {
        const report = this.reports.get(drillId);
        if (report === undefined)
          throw ApplicationFailure.nonRetryable(`no report of ${drillId}`, 'NotFound');
        return { report, files: reportFiles(drillId) };
      }),
    ...fakeRestoreDisk(this, {
      step: (name, act) => this.#step(name, act),
      placement: fakePlacement,
      untilCancelled,
    }),
    ...fakeRestore(this, {
      step: (name, act) => this.#step(name, act),
      placement: fakePlacement,
      untilCancelled,
      untilRead: (sessionId) => this.untilRead(sessionId),
    }),
    ...fakeProofSteps(
      (name, act) => this.#step(name, act),
      this.proof,
      (sessionId) => this.#removeVm(sessionId),
    ),
    keepSession: async ({ sessionId, keepId }) => {
      const handle = Context.current().client.workflow.getHandle(sessionId);
      await handle.signal(REPORT_SIGNAL, { kind: 'keep', doneBytes: 50, totalBytes: 100, storedBytes: 10 });
      const { keepEnds } = this;
      if (!keepEnds) this.calls.push('keepSession');
      if (!keepEnds) await untilCancelled();
      return this.#step('keepSession', () => {
        this.kept.add(keepId);
        return fakeKept(sessionId, keepId);
      });
    },
    openBrowse: async ({ browseId }) =>
      this.#step('openBrowse', () => {
        this.exports.add(browseId);
        const ports = { nfs: 2049, mount: 20048 };
        return { jobId: 'job-2', host: 'gw', path: `/rundirect/browse/${browseId}`, ports, disks: [] };
      }),
    vaultInit: async ({ vault }) => this.#step('vaultInit', () => ({ vault, vaultId: 'v-1' })),
    vaultList: async ({ vault }) =>
      this.#step('vaultList', () => ({ vault, vaultId: 'v-1', backupSets: [] })),
    backup: async ({ backupSet }) =>
      this.#step('backup', () => ({
        backupSet,
        newSet: true,
        warnings: [],
        durationMs: 1,
        jobId: 'job-1',
        kind: 'full' as const,
        createdAt: '2026-01-01T00:00:00.000Z',
        vms: [],
        storedBytes: 10,
      })),
    siteInfo: async ({ site }) =>
      this.#step('siteInfo', () => ({ site, publicKey: 'AAAA', fingerprint: 'SHA256:AAAA' })),
    targetInfo: async ({ host, port }) =>
      this.#step('targetInfo', () => ({ host, port, fingerprint: 'A'.repeat(64) })),
  };
}

function reportFiles(drillId: string): DrillReportFiles {
  const folder = `/state/drills/${drillId}`;
  return { folder, html: `${folder}/report.html`, json: `${folder}/report.json` };
}

function failure(step: StepName): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`${step} was told to fail`, 'NotSupported');
}

async function heartbeats(): Promise<never> {
  for (;;) {
    Context.current().heartbeat();
    await delay(100, undefined, { ref: false });
  }
}

async function untilCancelled(): Promise<never> {
  const { cancelled } = Context.current();
  await Promise.race([cancelled, heartbeats()]);
  throw new CancelledFailure('cancelled');
}

// How a session is read: when it has settled, what is new in its log, how it looks, how it is searched for.
import { describe, expect, it } from 'vitest';
import type { LogEntry, SessionStatus } from '../contract/index.ts';
import { backupFacts, progressText } from './commands/backup.ts';
import { exitCodeOf, isSettled } from './session/await-session.ts';
import { visibilityQuery } from './session/session-list.ts';
import { entriesAfter } from './temporal/follow.ts';
import { progressLine, sessionFacts } from './views/session-view.ts';

const running: SessionStatus = {
  sessionId: 'web01-a',
  site: 'main',
  vmName: 'web01',
  target: 'esx1:443/root',
  backupSet: 'nightly',
  jobId: 'job-2',
  state: 'running',
  status: 'OK',
  progressPercent: 100,
  step: 'running',
  vm: { moref: 'vm-1', name: 'web01', hostName: 'esx1', datastore: 'rundirect-main' },
  guest: 'awaited',
  powerState: 'poweredOn',
  timings: { poweredOnMs: 3_200 },
  verify: { state: 'running', checkedBytes: 1024, totalBytes: 4096, findings: [] },
  log: [],
  failure: undefined,
};

describe('a session has settled', () => {
  it.each<[string, Partial<SessionStatus>, boolean]>([
    ['not while it starts', { state: 'starting', status: 'In progress' }, false],
    ['not while its guest is awaited', {}, false],
    ['when its guest is ready', { guest: 'ready' }, true],
    ['when its guest was given up on', { guest: 'silent', status: 'Warning' }, true],
    ['when nobody waits for a guest', { guest: 'off' }, true],
    ['when it was not powered on', { powerState: 'poweredOff' }, true],
    ['not when it is over', { state: 'stopped' }, false],
  ])('%s', (_, changes, settled) => expect(isSettled({ ...running, ...changes })).toBe(settled));
});

it('is a failure for the shell when it failed, or runs from damaged blocks', () => {
  expect(exitCodeOf(running)).toBe(0);
  expect(exitCodeOf({ ...running, status: 'Warning' })).toBe(0);
  expect(exitCodeOf({ ...running, status: 'Error' })).toBe(1);
  expect(exitCodeOf({ ...running, state: 'failed' })).toBe(1);
  expect(exitCodeOf({ ...running, state: 'stopped' })).toBe(0);
});

it('tells each line of the log once, although its beginning is cut off', () => {
  const line = (message: string): LogEntry => ({ time: '2026-01-01T00:00:00.000Z', level: 'info', message });
  const [a, b, c] = [line('a'), line('b'), line('c')];
  expect(entriesAfter([a, b], undefined)).toEqual([a, b]);
  expect(entriesAfter([b, c], b)).toEqual([c]);
  expect(entriesAfter([b, c], a)).toEqual([b, c]);
  expect(entriesAfter([a, b], b)).toEqual([]);
});

it('shows what is known of a session, and nothing else', () => {
  const text = sessionFacts(running);
  expect(text).toContain('from        nightly/job-2');
  expect(text).toContain('powered on  3.2 s after the command');
  expect(text).toContain('verify      running, 1 KiB of 4 KiB checked');
  expect(text).not.toContain('guest ready');
  const failure = { type: 'KeyRejected', message: 'wrong passphrase' };
  const damaged = { ...running.verify, state: 'failed' as const, findings: ['a.rdb, disk 0, block 7'] };
  const failed = sessionFacts({ ...running, failure, verify: damaged, vm: undefined, jobId: '' });
  expect(failed).toMatch(/damage +a\.rdb, disk 0, block 7/);
  expect(failed).toMatch(/failure +KeyRejected: wrong passphrase/);
  expect(failed).toMatch(/from +nightly\/latest/);
  expect(progressLine(running)).toBe('100 %  running  running  verify running, 1 KiB of 4 KiB checked');
});

it('shows how a copy is held back, in its facts and beside its progress', () => {
  const restore = {
    ...{ datastore: 'vmfs01', location: undefined, disk: 'a.vmdk', copiedBytes: 1024, totalBytes: 4096 },
    ...{ bytesPerSecond: 0, leftMs: undefined, copyMs: undefined },
  };
  const verify = { ...running.verify, state: 'off' as const };
  const copying = { ...running, state: 'restoring' as const, step: 'copyRestoreDisk', restore, verify };
  const limited = { ...copying, throttle: { bytesPerSecond: 50 * 1024 ** 2, paused: false } };
  expect(sessionFacts(limited)).toMatch(/copying +at most 50 MiB\/s/);
  const paused = { ...limited, throttle: { ...limited.throttle, paused: true } };
  expect(progressLine(paused)).toBe(
    '100 %  restoring  copyRestoreDisk  25 %  1 KiB of 4 KiB  0 B/s  a.vmdk  paused, later at most 50 MiB/s',
  );
  expect(progressLine({ ...copying, step: 'copyDiskToVm' })).toContain('25 %  1 KiB of 4 KiB');
  expect(sessionFacts({ ...copying, throttle: { paused: true } })).toMatch(/copying +paused$/m);
  expect(sessionFacts(copying)).not.toContain('copying');
});

it('shows how far a backup is, and what became of it', () => {
  const progress = { vmName: 'web01', diskName: 'a.vmdk', doneBytes: 512, totalBytes: 1024, storedBytes: 10 };
  expect(progressText({ ...progress, phase: 'reading' })).toBe(
    '50 %  512 B of 1 KiB, stored 10 B  web01 a.vmdk',
  );
  expect(progressText({ ...progress, phase: 'committing' })).toBe('committing');
  const text = backupFacts({
    ...{ jobId: 'job-1', kind: 'full', createdAt: '2026-01-01T00:00:00.000Z', storedBytes: 10 },
    ...{ backupSet: 'nightly', newSet: true, durationMs: 2_500, warnings: [] },
    vms: [{ name: 'web01', disks: [{ name: 'a.vmdk', sizeBytes: 1024, storedBytes: 10 }] }],
  });
  expect(text).toBe(
    'job     job-1\nset     nightly (new)\nkind    full\nVMs     web01\nread    1 KiB\nstored  10 B\ntook    2.5 s',
  );
});

it('searches among running sessions, all of them, those in a state, or those of a site', () => {
  const type = "WorkflowType IN ('runDirect', 'restore', 'restoreDisk', 'cleanUp')";
  const filter = { all: false, state: undefined, limit: 1 };
  expect(visibilityQuery(filter)).toBe(`${type} AND ExecutionStatus = 'Running'`);
  expect(visibilityQuery({ ...filter, all: true })).toBe(type);
  expect(visibilityQuery({ ...filter, state: 'failed' })).toBe(`${type} AND RunDirectState = 'failed'`);
  expect(visibilityQuery({ ...filter, all: true, site: 'paris' })).toBe(
    `${type} AND RunDirectSite = 'paris'`,
  );
});

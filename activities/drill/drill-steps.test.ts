// A drill's steps at a host in memory, with a real site key and real folders: who is powered on where, what is
// written, what is refused.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type DrillReport,
  drillPortGroup,
  type SiteActivities,
  type Target,
  targetSubject,
} from '../../contract/index.ts';
import { loadSiteKey, type SiteKey, seal } from '../../secrets/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeTarget, fakeHost } from '../../test/fake-target.ts';
import { runActivity } from '../../test/run-activity.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import { type Nic, VsphereError } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../index.ts';
import { drillNetwork } from './isolation.ts';
import { reportOf } from './testing/report.ts';

const DRILL = 'nightly-20261123t030000z';
const WORKFLOW = 'drill:nightly-2026-11-23T03:00:00Z';
const SESSION = `drill-${DRILL}-vm1`;
const PORT_GROUP = drillPortGroup(DRILL);
const host = { moref: fakeHost.moref, name: fakeHost.name };

let folder: string;
let host1: FakeTarget;
let deps: ActivityDeps;
let target: Target;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drill-'));
  const siteKey = await loadSiteKey(folder);
  host1 = new FakeTarget();
  deps = activityDeps({ siteKey, targets: host1.targets, drillReports: join(folder, 'drills') });
  target = sealedTarget(siteKey);
});
afterEach(() => rm(folder, { recursive: true }));

function sealedTarget(siteKey: SiteKey): Target {
  const address = { host: 'esx.example', port: 443, user: 'root' };
  const binding = {
    purpose: 'target-password',
    subject: targetSubject(address),
    workflowId: 'drill:nightly',
  };
  const password = seal(siteKey.publicKey, Buffer.from('secret'), binding);
  return { ...address, fingerprint: 'A'.repeat(64), password };
}

function step<N extends keyof SiteActivities>(
  name: N,
  input: Parameters<SiteActivities[N]>[0],
  workflowId = WORKFLOW,
): Promise<Awaited<ReturnType<SiteActivities[N]>>> {
  return runActivity(deps, name, input, { workflowId });
}

const nic = (network: string | undefined, key = 4000): Nic => ({
  ...{ key, network, label: `Network adapter ${key - 3999}`, macAddress: '00:50:56:00:00:17' },
  ...{ connected: false, startConnected: true },
});

/** Registers the session's VM with these NICs, and powers it on as the session does. */
async function powerOn(nics: readonly Nic[]): Promise<unknown> {
  const vmxPath = `${SESSION}/web01.vmx`;
  const { moref } = host1.add({
    name: 'web01',
    nics,
    vmPathName: `[rundirect-main] ${vmxPath}`,
    extraConfig: { [SESSION_KEY]: SESSION },
  });
  const placement = {
    ...{ targetId: 't', host, folder: 'f', resourcePool: 'p', datastore: 'rundirect-main' },
    ...{ vmName: 'web01', allow: [] },
  };
  const exported = { remoteHost: '127.0.0.1', remotePath: '/rundirect/t', vmxPath };
  const input = { sessionId: SESSION, target, placement, exported, moref };
  try {
    return await step('powerOnVm', input, SESSION);
  } catch (error) {
    return { error, powerState: host1.vms.get(moref)?.powerState };
  }
}

it.each([
  ['one NIC', [nic(PORT_GROUP)]],
  ['two NICs', [nic(PORT_GROUP), nic(PORT_GROUP, 4001)]],
  ['no NIC', []],
])('powers on a VM with %s in the network of the drill alone', async (_, nics) => {
  expect(await powerOn(nics)).toHaveProperty('poweredOnAtMs');
  expect(host1.isolated.has(PORT_GROUP)).toBe(true);
});

it.each([
  ['on a production network', [nic('VM Network')]],
  ['on a switch that has no name to show', [nic(PORT_GROUP), nic(undefined, 4001)]],
  ["on another drill's network", [nic(drillPortGroup('other'))]],
])('never powers on a VM with a NIC %s', async (_, nics) => {
  expect(await powerOn(nics)).toMatchObject({
    error: { type: 'NotSupported', nonRetryable: true },
    powerState: 'poweredOff',
  });
});

it('never powers on a VM when somebody gave its network an uplink', async () => {
  host1.arriving.set('addIsolatedPortGroup', () => {
    throw new VsphereError('InvalidState', 'the vSwitch has an uplink');
  });
  expect(await powerOn([nic(PORT_GROUP)])).toMatchObject({ powerState: 'poweredOff' });
});

it('makes and removes its network, as often as it is asked', async () => {
  const input = { drillId: DRILL, target, host };
  for (let time = 1; time <= 2; time += 1) await step('makeDrillNetwork', input);
  expect([...host1.isolated]).toEqual([[PORT_GROUP, drillNetwork(DRILL).vswitch]]);
  expect(drillNetwork(DRILL).vswitch.length).toBeLessThanOrEqual(31);
  for (let time = 1; time <= 2; time += 1) await step('removeDrillNetwork', input);
  expect(host1.isolated.size).toBe(0);
});

it('acts for no other drill', async () => {
  const other = 'nightly-20261124t030000z';
  const steps = [
    step('makeDrillNetwork', { drillId: other, target, host }),
    step('removeDrillNetwork', { drillId: other, target, host }),
    step('openDrill', { drillId: other, target, placement: {}, reportFolder: undefined }),
    step('writeDrillReport', { drillId: other, report: reportOf(other), reportFolder: undefined }),
    step('takeDrillPicture', {
      ...{ drillId: DRILL, sessionId: `drill-${other}-vm1`, target, moref: 'vm-1', reportFolder: undefined },
    }),
  ];
  for (const outcome of await Promise.allSettled(steps)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { type: 'NotOurs' } });
  }
});

it('opens on a host, and refuses a report folder that can not be written before anything is touched', async () => {
  const input = { drillId: DRILL, target, placement: {}, reportFolder: undefined };
  expect(await step('openDrill', input)).toEqual({ host });
  await writeFile(join(folder, 'file'), '');
  await expect(step('openDrill', { ...input, reportFolder: join(folder, 'file') })).rejects.toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining("can't be written") as string,
  });
  await expect(step('openDrill', { ...input, placement: { host: 'esx99' } })).rejects.toMatchObject({
    type: 'NotFound',
  });
});

async function picture(): Promise<DrillReport> {
  const { moref } = host1.add({ name: 'web01', extraConfig: { [SESSION_KEY]: SESSION } });
  const input = { drillId: DRILL, sessionId: SESSION, target, moref, reportFolder: undefined };
  return reportOf(DRILL, { picture: await step('takeDrillPicture', input) });
}

it('writes the picture to its folder, and brings back its digest alone', async () => {
  const { vms } = await picture();
  const bytes = await readFile(join(folder, 'drills', DRILL, `${SESSION}.png`));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(vms[0]?.picture).toEqual({ file: `${SESSION}.png`, sha256, sizeBytes: bytes.byteLength });
});

it('takes no picture of a VM that is not the session’s', async () => {
  const { moref } = host1.add({ name: 'payroll' });
  const input = { drillId: DRILL, sessionId: SESSION, target, moref, reportFolder: undefined };
  await expect(step('takeDrillPicture', input)).rejects.toMatchObject({ type: 'NotOurs' });
});

it('writes a report that is found again, and leaves out a picture that somebody changed', async () => {
  const report = await picture();
  const files = await step('writeDrillReport', { drillId: DRILL, report, reportFolder: undefined });
  expect((await readdir(files.folder)).sort()).toEqual([`${SESSION}.png`, 'report.html', 'report.json']);
  const found = { report, files };
  expect(await step('drillReport', { site: 'main', drillId: DRILL })).toEqual(found);
  expect(await step('drillReports', { site: 'main', limit: 10 })).toEqual({ drills: [found], damaged: [] });
  expect(await readFile(files.html, 'utf8')).toContain('data:image/png;base64,');

  await writeFile(join(files.folder, `${SESSION}.png`), 'another');
  await step('writeDrillReport', { drillId: DRILL, report, reportFolder: undefined });
  expect(await readFile(files.html, 'utf8')).toContain('not there any more');
});

it('lists the newest first, and says which can not be read', async () => {
  const dates = ['2026-11-21', '2026-11-23', '2026-11-22'];
  for (const date of dates) {
    const drillId = `nightly-${date.replaceAll('-', '')}t030000z`;
    const report = { ...reportOf(drillId), startedAt: `${date}T03:00:00.000Z` };
    const workflowId = `drill:nightly-${date}T03:00:00Z`;
    await step('writeDrillReport', { drillId, report, reportFolder: undefined }, workflowId);
  }
  const damaged = join(folder, 'drills', 'nightly-20261122t030000z', 'report.json');
  await writeFile(damaged, '{"version":1');
  const listing = await step('drillReports', { site: 'main', limit: 10 });
  expect(listing.drills.map(({ report }) => report.startedAt.slice(0, 10))).toEqual([
    '2026-11-23',
    '2026-11-21',
  ]);
  expect(listing.damaged).toEqual([expect.stringContaining('nightly-20261122t030000z')]);
  expect((await step('drillReports', { site: 'main', limit: 1 })).drills).toHaveLength(1);
});

it('lists nothing where no drill was, and knows no report of one that was not', async () => {
  expect(await step('drillReports', { site: 'main', limit: 10 })).toEqual({ drills: [], damaged: [] });
  await expect(step('drillReport', { site: 'main', drillId: DRILL })).rejects.toMatchObject({
    type: 'ReportNotFound',
  });
  await expect(step('drillReport', { site: 'main', drillId: '../../etc' })).rejects.toMatchObject({
    type: 'InvalidInput',
  });
});

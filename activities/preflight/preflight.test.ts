// Preflight against a real vault with a real site key, and a host and a gateway in memory: what a person gets to
// read for each thing that is wrong, and that all of it comes at once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  type PreflightFinding,
  type PreflightResult,
  type StartInput,
  targetSubject,
} from '../../contract/index.ts';
import { loadSiteKey, type SiteKey, seal } from '../../secrets/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeGateway } from '../../test/fake-gateway.ts';
import { FakeTarget, fakeDatastore, fakeHost } from '../../test/fake-target.ts';
import { runActivity } from '../../test/run-activity.ts';
import { type BackupSet, initVault, openVault, type Vault } from '../../vault/index.ts';
import { openVmFolder } from '../../vm-folder/index.ts';

const SESSION = 'web01-x1';
const DISK_BYTES = 1 << 20;
const vmx = (more = ''): Uint8Array =>
  new TextEncoder().encode(
    `.encoding = "UTF-8"\ndisplayName = "web01"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "web01.vmdk"\n` +
      `ethernet0.present = "TRUE"\nethernet0.networkName = "VM Network"\nethernet0.addressType = "generated"\n` +
      `ethernet0.generatedAddress = "00:0C:29:11:22:33"\n` +
      `uuid.bios = "56 4d 11 22 33 44 55 66-77 88 99 aa bb cc dd ee"\n${more}`,
  );
const passthrough = 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:003:00.0"\n';

const independent = 'scsi0:0.mode = "independent-persistent"\n';

let folder: string;
let siteKey: SiteKey;
let setKey: Uint8Array;
let target: FakeTarget;
let gateway: FakeGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'preflight-'));
  siteKey = await loadSiteKey(folder);
  const location = join(folder, 'vault');
  await initVault(location);
  const set = await (await openVault(location)).createSet('web', 'right passphrase');
  setKey = set.key;
  const vm = (vmName: string, text: Uint8Array) => ({
    vmName,
    disks: [{ name: 'web01.vmdk', sizeBytes: DISK_BYTES, read: async () => undefined }],
    files: [{ name: 'web01.vmx', bytes: text }],
    assertUnchanged: async () => undefined,
  });
  await set.backup([vm('web01', vmx()), vm('gpu01', vmx(passthrough)), vm('db01', vmx(independent))]);
  const keptFrom = { sessionId: 'app01-7', baseJobId: 'x', at: '2026-01-31T12:00:00.000Z', keepId: 'k' };
  await set.backup([vm('app01', vmx())], { keptFrom });
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  target = new FakeTarget();
  gateway = new FakeGateway();
});

/** Argon2id is slow on purpose: the right passphrase is tried once for all tests. */
async function openRemembering(location: string): Promise<Vault> {
  const vault = await openVault(location);
  const unlockSet = async (name: string, passphrase: string): Promise<BackupSet> =>
    name === 'web' && passphrase === 'right passphrase'
      ? vault.openSetWithKey(name, setKey)
      : vault.unlockSet(name, passphrase);
  return {
    vaultId: vault.vaultId,
    unlockSet,
    listSets: () => vault.listSets(),
    hasSet: (name) => vault.hasSet(name),
    createSet: (name, passphrase) => vault.createSet(name, passphrase),
    openSetWithKey: (name, key) => vault.openSetWithKey(name, key),
  };
}

interface Changes {
  readonly passphrase?: string;
  readonly password?: string;
  readonly source?: Partial<StartInput['source']>;
  readonly placement?: Partial<StartInput['placement']>;
  readonly autoMigrate?: StartInput['autoMigrate'];
  readonly changes?: StartInput['changes'];
  readonly attempt?: number;
  readonly workflowId?: string;
  readonly sessionId?: string;
  /** What its secrets were sealed for; the session unless said. */
  readonly boundTo?: string;
}

async function preflight(changes: Changes = {}): Promise<PreflightResult> {
  const { passphrase = 'right passphrase', password = 'secret', attempt = 3, workflowId = SESSION } = changes;
  const address = { host: 'esx.example', port: 443, user: 'root' };
  const { sessionId = SESSION, boundTo = sessionId } = changes;
  const sealed = (secret: string, purpose: string, subject: string) =>
    seal(siteKey.publicKey, new TextEncoder().encode(secret), { workflowId: boundTo, purpose, subject });
  const input: StartInput = {
    sessionId,
    site: 'main',
    commandedAtMs: 0,
    source: {
      vault: join(folder, 'vault'),
      backupSet: 'web',
      jobId: 'latest',
      vmName: 'web01',
      passphrase: sealed(passphrase, 'set-passphrase', changes.source?.backupSet ?? 'web'),
      ...changes.source,
    },
    target: {
      ...address,
      fingerprint: 'A'.repeat(64),
      password: sealed(password, 'target-password', targetSubject(address)),
    },
    placement: { network: 'original', ...changes.placement },
    powerOn: true,
    verify: 'none',
    guestTimeoutMs: 0,
    reserveFactor: 1.5,
    ...(changes.autoMigrate === undefined ? {} : { autoMigrate: changes.autoMigrate }),
    ...(changes.changes === undefined ? {} : { changes: changes.changes }),
  };
  const deps = activityDeps({
    ...{ siteKey, gateway, targets: target.targets, allow: ['10.9.0.0/24'] },
    ...{ vaults: { init: initVault, open: openRemembering }, vmFolders: { open: openVmFolder } },
  });
  return runActivity(deps, 'preflight', input, { workflowId, attempt });
}

async function refusal(changes?: Changes): Promise<ApplicationFailure> {
  try {
    await preflight(changes);
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
    throw error;
  }
  throw new Error('preflight passed');
}

it('takes no name from a backup that is longer than vSphere takes, and says how to shorten it', async () => {
  const failure = await refusal({ source: { vmName: 'x'.repeat(81) } });
  const [{ findings }] = failure.details as [{ findings: PreflightFinding[] }];
  const found = findings.find(({ code }) => code === 'NameTooLong');
  expect(found?.message).toContain('81 characters; vSphere takes 80. Name this one with --name');
});

it('takes no name from a backup that has line breaks, before anything is touched', async () => {
  const failure = await refusal({ source: { vmName: 'web\n01' } });
  const [{ findings }] = failure.details as [{ findings: PreflightFinding[] }];
  const found = findings.find(({ code }) => code === 'InvalidInput');
  expect(found?.message).toContain('"web\\n01" has line breaks');
});

it('says when the newest job was kept from a session, and nothing where it was asked for', async () => {
  const { jobId, warnings } = await preflight({ source: { vmName: 'app01' } });
  expect(warnings).toMatchObject([
    { code: 'KeptJob', message: expect.stringContaining('app01-7') as string },
  ]);
  expect(await preflight({ source: { vmName: 'app01', jobId } })).toMatchObject({ jobId, warnings: [] });
});

it('answers with job, place, provisioned size and who may mount', async () => {
  const result = await preflight();
  expect(result).toMatchObject({ provisionedBytes: DISK_BYTES, warnings: [] });
  expect(result.placement).toMatchObject({
    host: { moref: 'host-1', name: 'esx01' },
    folder: 'folder-1',
    resourcePool: 'pool-1',
    datastore: 'rundirect-main',
    vmName: 'web01',
    allow: ['127.0.0.1', '10.9.0.0/24'],
  });
  expect(result.placement.targetId).toMatch(/^esx-example-[0-9a-f]{8}$/);
  expect(result.jobId).not.toBe('latest');
});

const vmWithMac = { name: 'old-web', powerState: 'poweredOn' as const, macs: ['00:0c:29:11:22:33'] };

it.each<[string, string, Changes | undefined, (() => void) | undefined]>([
  ['a wrong passphrase', 'KeyRejected', { passphrase: 'wrong' }, undefined],
  ['an unknown set', 'BackupNotFound', { source: { backupSet: 'db' } }, undefined],
  ['an unknown job', 'BackupNotFound', { source: { jobId: 'nosuchjob' } }, undefined],
  ['an unknown VM', 'BackupNotFound', { source: { vmName: 'web99' } }, undefined],
  ['a folder that is no vault', 'NotAVault', { source: { vault: tmpdir() } }, undefined],
  ['a wrong password', 'InvalidLogin', { password: 'wrong' }, undefined],
  ['a target that is down', 'TargetUnavailable', undefined, () => void (target.isDown = true)],
  ['a gateway that is down', 'GatewayUnavailable', undefined, () => void (gateway.isDown = true)],
  ['too little space', 'StorageFull', undefined, () => void (gateway.availableBytes = 1000)],
  ['a name that is taken', 'NameTaken', undefined, () => void target.add({ name: 'web01' })],
  ['a licence that only reads', 'LicenceRestricted', undefined, () => void (target.allowsWrites = false)],
  ['an unknown host', 'NotFound', { placement: { host: 'esx99' } }, undefined],
  [
    'a datastore of that name elsewhere',
    'DatastoreConflict',
    undefined,
    () =>
      void target.mounts.set('rundirect-main', {
        name: 'rundirect-main',
        remoteHost: 'nas',
        remotePath: '/x',
      }),
  ],
  ['the original that runs', 'PreflightFailed', undefined, () => void target.add(vmWithMac)],
  ['hardware that stays behind', 'PreflightFailed', { source: { vmName: 'gpu01' } }, undefined],
  [
    'a host in maintenance',
    'PreflightFailed',
    { placement: { host: 'esx01' } },
    () => void (target.hosts = [{ ...fakeHost, inMaintenanceMode: true }]),
  ],
])('refuses %s as %s, for good, and touches nothing', async (_, type, changes, arrange) => {
  arrange?.();
  const failure = await refusal(changes);
  expect(failure).toMatchObject({ type, nonRetryable: true });
  expect(failure.message.length).toBeGreaterThan(20);
  expect(gateway.published.size).toBe(0);
  expect(target.vms.size).toBeLessThan(2);
});

it('tells all findings in one answer', async () => {
  target.add({ name: 'web01' });
  target.add(vmWithMac);
  gateway.availableBytes = 1000;
  const failure = await refusal();
  expect(failure.type).toBe('PreflightFailed');
  const [{ findings }] = failure.details as [{ findings: PreflightFinding[] }];
  expect(findings.map(({ code }) => code).sort()).toEqual(['NameTaken', 'OriginalRunning', 'StorageFull']);
  expect(failure.message).toContain('3 findings');
});

it('takes a cluster for a host: the best that is usable in it', async () => {
  const computeResource = { ...fakeHost.computeResource, moref: 'cl-1', name: 'blue', isCluster: true };
  const inCluster = (moref: string, more: object = {}) => ({
    ...{ ...fakeHost, moref, name: moref, computeResource },
    ...more,
  });
  target.hosts = [
    { ...fakeHost, name: 'alone' },
    inCluster('esx02', { inMaintenanceMode: true }),
    inCluster('esx03'),
  ];
  const { host } = (await preflight({ placement: { host: 'blue' } })).placement;
  expect(host.name).toBe('esx03');
  target.hosts = [inCluster('esx02', { inMaintenanceMode: true })];
  const refused = await refusal({ placement: { host: 'blue' } });
  expect(refused).toMatchObject({ type: 'PreflightFailed' });
  expect(refused.message).toContain(
    'Cluster blue has no host that can take a VM: esx02 (in maintenance mode)',
  );
  expect((await refusal({ placement: { host: 'green' } })).message).toContain('and the clusters blue');
});

it('takes none of several that have one name, and says how each is called by its reference', async () => {
  const clusterIn = (moref: string, dc: string) => ({
    ...{ ...fakeHost, moref: `host-${moref}`, name: `esx-${moref}` },
    computeResource: { ...fakeHost.computeResource, moref, name: 'blue', isCluster: true },
    datacenter: { ...fakeHost.datacenter, moref: dc, name: dc },
  });
  target.hosts = [clusterIn('cl-1', 'dc-1'), clusterIn('cl-2', 'dc-2')];
  const refused = await refusal({ placement: { host: 'blue' } });
  expect(refused.message).toContain('2 clusters blue: cl-1 (dc-1), cl-2 (dc-2)');
  expect((await preflight({ placement: { host: 'cl-2' } })).placement.host.name).toBe('esx-cl-2');

  target.hosts = [fakeHost];
  target.folders = ['Team/Web', 'Web'].map((name, at) => ({
    ...{ moref: `folder-${at}`, name, path: 'Team/Web', datacenter: 'dc-1' },
  }));
  expect((await refusal({ placement: { folder: 'Team/Web' } })).message).toContain('2 VM folders Team/Web');
  expect((await preflight({ placement: { folder: 'folder-1' } })).placement.folder).toBe('folder-1');

  target.resourcePools = ['a/b', 'b'].map((name, at) => ({
    ...{ moref: `pool-${at}`, name, path: 'a/b', computeResource: 'cr-1' },
  }));
  const pools = await refusal({ placement: { resourcePool: 'a/b' } });
  expect(pools.message).toContain('2 resource pools a/b');

  target.hosts = [{ ...fakeHost, networks: ['net-1', 'dvpg-1'].map((moref) => ({ moref, name: 'Test' })) }];
  const cards = [{ node: 'ethernet0', network: 'Test' }];
  expect((await refusal({ placement: { cards } })).message).toContain('2 networks Test');
});

it('tells a name that a template has', async () => {
  target.templates.add(target.add({ name: 'web01' }).moref);
  expect((await refusal()).type).toBe('NameTaken');
});

it("takes a name that is another folder's on a vCenter, and on no host alone", async () => {
  target.add({ name: 'web01', folder: 'folder-2' });
  expect((await refusal()).type).toBe('NameTaken');
  target.isVirtualCenter = true;
  expect((await preflight()).placement.vmName).toBe('web01');
  target.add({ name: 'web01', folder: 'folder-1' });
  expect((await refusal()).type).toBe('NameTaken');
});

it('puts single cards elsewhere, or unplugs them', async () => {
  target.add(vmWithMac);
  const cards = [{ node: 'ethernet0', network: 'VM Network' }];
  expect((await refusal({ placement: { cards } })).message).toContain('runs with the same MAC address');
  expect((await preflight({ placement: { cards, mac: 'renew' } })).placement.cards).toEqual([
    { node: 'ethernet0', network: { moref: 'net-1', name: 'VM Network' } },
  ]);
  expect((await preflight({ placement: { cards: [{ node: 'ethernet0' }] } })).placement.cards).toEqual([
    { node: 'ethernet0', network: undefined },
  ]);
  const wrong = await refusal({
    placement: { cards: [{ node: 'ethernet0', network: 'DMZ' }, { node: 'ethernet7' }] },
  });
  expect(wrong.message).toContain('Host esx01 has no network DMZ; it has VM Network');
  expect(wrong.message).toContain('The VM has no network card ethernet7; it has ethernet0');
});

it("says before the start what stands against taking the original's place at its end", async () => {
  target.isVirtualCenter = true;
  target.production = [fakeDatastore('prod')];
  target.folders = [{ moref: 'folder-1', name: 'vm', path: '', datacenter: 'dc-1' }];
  target.add({
    ...{ moref: 'vm-1', name: 'web01', folder: 'folder-1', powerState: 'poweredOn' },
    ...{ uuid: '564d1122-3344-5566-7788-99aabbccddee', vmPathName: '[prod] web01/web01.vmx' },
  });
  const placement = { name: 'web01-new', network: 'disconnected' } as const;
  const autoMigrate = { location: 'original', vmotion: 'live' } as const;
  const refused = await refusal({ placement, autoMigrate });
  expect(refused.message).toContain('The original web01 (vm-1) runs');
  const consent = { ...autoMigrate, powerOffOriginal: true };
  expect(await preflight({ placement, autoMigrate: consent })).toMatchObject({ warnings: [] });
  const disks = [{ node: 'scsi0:5', datastore: 'prod' }];
  expect((await refusal({ placement, autoMigrate: { ...consent, disks } })).message).toContain(
    'The VM has no disk scsi0:5; it has scsi0:0',
  );
  target.vms.clear();
  expect((await refusal({ placement, autoMigrate: consent })).message).toContain(
    'No VM on the target is the original of this backup: none has the UUID 564d1122-3344-5566-7788-99aabbccddee',
  );
});

it('finds room for changes on a production datastore, and asks the gateway for hardly any', async () => {
  gateway.availableBytes = DISK_BYTES / 2;
  expect(await refusal()).toMatchObject({ type: 'StorageFull' });
  const found = await preflight({ changes: { datastore: 'prod' } });
  expect(found.placement.changes).toEqual({ datastore: 'prod', folder: `rundirect-${SESSION}` });
  expect(found.warnings).toEqual([]);
});

it.each<[string, () => void, string, string]>([
  ['one that is not there', () => undefined, 'fast01', 'no datastore fast01'],
  [
    'a vSAN',
    () => (target.production = [fakeDatastore('prod', { type: 'vsan' })]),
    'prod',
    'is of type vsan',
  ],
  [
    'one without room',
    () => (target.production = [fakeDatastore('prod', { freeBytes: DISK_BYTES })]),
    'prod',
    '1.5 × the provisioned size',
  ],
  [
    'one that is away',
    () => (target.production = [fakeDatastore('prod', { accessible: false })]),
    'prod',
    'not accessible',
  ],
  [
    "the gateway's own",
    () => (target.production = [fakeDatastore('gw', { nas: { remoteHost: '127.0.0.1', remotePath: '/x' } })]),
    'gw',
    "the gateway's own",
  ],
])('puts changes on no datastore that is %s', async (_, arrange, datastore, words) => {
  arrange();
  const refused = await refusal({ changes: { datastore } });
  expect(refused.message).toContain(words);
});

it('says before the start that changes which lie apart are not migrated live, and what no snapshot takes', async () => {
  target.isVirtualCenter = true;
  const changes = { datastore: 'prod' };
  const live = { datastore: 'prod', vmotion: 'live' } as const;
  expect(await refusal({ changes, autoMigrate: live })).toMatchObject({ type: 'NotSupported' });
  expect(await preflight({ changes, autoMigrate: { ...live, vmotion: 'auto' } })).toMatchObject({
    warnings: [{ code: 'NotSupported' }],
  });
  const independent = await refusal({ changes, source: { vmName: 'db01' } });
  expect(independent.message).toContain('is independent: snapshots leave it out');
});

it('keeps what the original is recognised by', async () => {
  expect((await preflight()).placement.origin).toEqual({
    name: 'web01',
    uuid: '564d1122-3344-5566-7788-99aabbccddee',
    instanceUuid: undefined,
  });
});

it('lets the original run beside one that is disconnected', async () => {
  target.add(vmWithMac);
  expect(await preflight({ placement: { network: 'disconnected' } })).toMatchObject({ warnings: [] });
});

it("lets the original run beside a drill's VM, whose networks nobody asks for", async () => {
  target.add(vmWithMac);
  target.hosts = [{ ...fakeHost, networks: [] }];
  const sessionId = 'drill-nightly-20261123t030000z-vm1';
  const isolated = { sessionId, boundTo: 'drill:nightly', workflowId: sessionId };
  expect(await preflight({ ...isolated, placement: { network: 'isolated' } })).toMatchObject({
    warnings: [],
  });
  expect(await refusal({ ...isolated, placement: { network: 'original' } })).toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining("drill's network alone") as string,
  });
  expect(await refusal({ placement: { network: 'isolated' } })).toMatchObject({ type: 'InvalidInput' });
});

it('warns of a network that the host does not have', async () => {
  target.hosts = [{ ...fakeHost, networks: [] }];
  const { warnings } = await preflight();
  expect(warnings).toMatchObject([{ severity: 'warning', code: 'NetworkMissing' }]);
});

it('tries what may pass again before it makes it a finding', async () => {
  target.isDown = true;
  expect(await refusal({ attempt: 1 })).toMatchObject({ type: 'TargetUnavailable', nonRetryable: false });
});

it('opens no secret that was sealed for another Workflow', async () => {
  expect(await refusal({ workflowId: 'other-1' })).toMatchObject({ type: 'NotOurs' });
});

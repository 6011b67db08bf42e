// A batch's preflight against a real vault with a real site key, and a host and a gateway in memory: what all need is
// told once and ends it, what one lacks is that one's failure, and room is asked for all together.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  type BatchInput,
  type BatchPreflightResult,
  batchSessionId,
  type FinalizeRequest,
  type PreflightFinding,
  targetSubject,
} from '../../contract/index.ts';
import { loadSiteKey, type SiteKey, seal } from '../../secrets/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeGateway } from '../../test/fake-gateway.ts';
import { FakeTarget, fakeDatastore } from '../../test/fake-target.ts';
import { runActivity } from '../../test/run-activity.ts';
import { initVault, openVault } from '../../vault/index.ts';
import { openVmFolder } from '../../vm-folder/index.ts';

const BATCH = 'nightly-x1';
const DISK_BYTES = 1 << 20;
const PASSPHRASE = 'right passphrase';
const vmx = (name: string, more = ''): Uint8Array =>
  new TextEncoder().encode(
    `.encoding = "UTF-8"\ndisplayName = "${name}"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "disk.vmdk"\n${more}`,
  );
const passthrough = 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:003:00.0"\n';

let folder: string;
let siteKey: SiteKey;
let target: FakeTarget;
let gateway: FakeGateway;
let logins: number;
let unlocked: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'preflight-batch-'));
  siteKey = await loadSiteKey(folder);
  await initVault(join(folder, 'vault'));
  const set = await (await openVault(join(folder, 'vault'))).createSet('web', PASSPHRASE);
  const vm = (vmName: string, text: Uint8Array) => ({
    vmName,
    disks: [{ name: 'disk.vmdk', sizeBytes: DISK_BYTES, read: async () => undefined }],
    files: [{ name: 'vm.vmx', bytes: text }],
    assertUnchanged: async () => undefined,
  });
  await set.backup([
    vm('web01', vmx('web01')),
    vm('db01', vmx('db01')),
    vm('gpu01', vmx('gpu01', passthrough)),
  ]);
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  target = new FakeTarget();
  gateway = new FakeGateway();
  logins = 0;
  unlocked = 0;
});

interface Changes {
  readonly passphrase?: string;
  readonly password?: string;
  readonly workflowId?: string;
  readonly autoMigrate?: FinalizeRequest;
}

async function preflight(vms: readonly string[], changes: Changes = {}): Promise<BatchPreflightResult> {
  const { passphrase = PASSPHRASE, password = 'secret', workflowId = BATCH, autoMigrate } = changes;
  const address = { host: 'esx.example', port: 443, user: 'root' };
  const sealed = (secret: string, purpose: string, subject: string, boundTo: string) =>
    seal(siteKey.publicKey, new TextEncoder().encode(secret), { workflowId: boundTo, purpose, subject });
  const secretsFor = (id: string) => ({
    passphrase: sealed(passphrase, 'set-passphrase', 'web', id),
    password: sealed(password, 'target-password', targetSubject(address), id),
  });
  const input: BatchInput = {
    batchId: BATCH,
    site: 'main',
    ...secretsFor(BATCH),
    sessions: vms.map((vmName, index) => {
      const sessionId = batchSessionId(BATCH, index + 1);
      const own = secretsFor(sessionId);
      return {
        sessionId,
        site: 'main',
        commandedAtMs: 0,
        source: {
          ...{ vault: join(folder, 'vault'), backupSet: 'web', jobId: 'latest', vmName },
          passphrase: own.passphrase,
        },
        target: { ...address, fingerprint: 'A'.repeat(64), password: own.password },
        placement: { network: 'original' },
        ...{ powerOn: true, verify: 'none', guestTimeoutMs: 0, reserveFactor: 1.5 },
      };
    }),
    ...(autoMigrate === undefined ? {} : { autoMigrate }),
  };
  const deps = activityDeps({
    ...{ siteKey, gateway },
    targets: {
      ...target.targets,
      use: (login, signal, work) => {
        logins += 1;
        return target.targets.use(login, signal, work);
      },
    },
    vaults: {
      init: initVault,
      open: async (location) => {
        unlocked += 1;
        return openVault(location);
      },
    },
    vmFolders: { open: openVmFolder },
  });
  return runActivity(deps, 'preflightBatch', input, { workflowId, attempt: 3 });
}

async function refusal(vms: readonly string[], changes?: Changes): Promise<ApplicationFailure> {
  const error: unknown = await preflight(vms, changes).catch((thrown: unknown) => thrown);
  if (error instanceof ApplicationFailure) return error;
  throw new Error('preflight found nothing', { cause: error });
}

const findingsOf = ({ details }: ApplicationFailure): PreflightFinding[] =>
  (details?.[0] as { findings: PreflightFinding[] }).findings;

it('finds the job of each, unlocks the set once, and says what one of them lacks', async () => {
  const { vms } = await preflight(['web01', 'gpu01', 'gone', 'db01']);
  expect(vms.map(({ sessionId, failure }) => [sessionId, failure?.type])).toEqual([
    [`${BATCH}-1`, undefined],
    [`${BATCH}-2`, 'PreflightFailed'],
    [`${BATCH}-3`, 'BackupNotFound'],
    [`${BATCH}-4`, undefined],
  ]);
  expect(vms[0]?.jobId).toMatch(/./);
  expect(unlocked).toBe(1);
});

it('asks the gateway for the room of all that can be started, and no more', async () => {
  gateway.availableBytes = 2 * 1.5 * DISK_BYTES;
  expect((await preflight(['web01', 'db01', 'gpu01'])).vms).toHaveLength(3);
  gateway.availableBytes -= 1;
  expect((await preflight(['web01'])).vms).toHaveLength(1);
  expect(await refusal(['web01', 'db01'])).toMatchObject({ type: 'StorageFull', nonRetryable: true });
});

it('asks the datastore for the room of all that are migrated at once', async () => {
  target.isVirtualCenter = true;
  target.production = [fakeDatastore('prod', { freeBytes: 1.5 * DISK_BYTES })];
  const autoMigrate: FinalizeRequest = { datastore: 'prod', vmotion: 'auto' };
  expect((await preflight(['web01'], { autoMigrate })).vms[0]?.failure).toBeUndefined();
  const { message } = await refusal(['web01', 'db01'], { autoMigrate });
  expect(message).toContain('prod');
});

it('tells what is wrong for all once, and tries a wrong password once', async () => {
  expect(await refusal(['web01', 'db01'], { password: 'wrong' })).toMatchObject({ type: 'InvalidLogin' });
  expect(logins).toBe(1);
  expect(await refusal(['web01', 'db01'], { passphrase: 'wrong' })).toMatchObject({ type: 'KeyRejected' });
});

it('fails with the findings of each where none can be started', async () => {
  const failure = await refusal(['gpu01', 'gone']);
  expect(failure.type).toBe('PreflightFailed');
  expect(findingsOf(failure).map(({ code }) => code)).toEqual(['PciPassthrough', 'BackupNotFound']);
  expect(findingsOf(failure)[0]?.message).toMatch(/^gpu01: /);
});

it('acts for its own Workflow alone', async () => {
  expect(await refusal(['web01'], { workflowId: 'nightly-x1-1' })).toMatchObject({ type: 'NotOurs' });
});

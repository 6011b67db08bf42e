// Workflows, steps, vault, gateway and sealing together, all real but the host: a VM is backed up, runs, and is
// gone; and what was typed as a secret is found in no history.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type BackupResult,
  siteTaskQueue,
  type VaultListResult,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../contract/index.ts';
import { BACKUP_SET, openSiteHouse, type SiteHouse } from '../test/house-without-hosts.ts';
import { openSessionHarness, type SessionHarness, startInput } from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';

const PASSPHRASE = 'planted-passphrase-6d1f';
const PASSWORD = 'planted-password-93ab';
const WRONG = 'planted-wrong-guess-77c0';
const SITE = 'whole';

let harness: SessionHarness;
let house: SiteHouse;

beforeAll(async () => {
  [harness, house] = await Promise.all([openSessionHarness(), openSiteHouse(SITE, PASSWORD)]);
});
afterAll(async () => {
  await harness.close();
  await house[Symbol.asyncDispose]();
});

/** One short Workflow at the site, as the command line runs it. */
async function run<T>(type: string, workflowId: string, input: object): Promise<T> {
  const worker = await Worker.create({
    connection: harness.temporal.nativeConnection,
    taskQueue: siteTaskQueue(SITE),
    activities: { ...house.activities },
  });
  return worker.runUntil(
    harness.temporal.client.workflow.execute(type, {
      workflowId,
      taskQueue: WORKFLOW_TASK_QUEUE,
      args: [{ site: SITE, ...input }],
    }) as Promise<T>,
  );
}

function backup(workflowId: string): Promise<BackupResult> {
  return run<BackupResult>(WorkflowType.backup, workflowId, {
    vault: house.vault,
    backupSet: BACKUP_SET,
    vmFolders: [house.vmFolder],
    passphrase: house.seal(workflowId, 'set-passphrase', PASSPHRASE),
    full: false,
  });
}

/** Every byte that Temporal keeps of us, payloads decoded. */
async function everythingInHistories(): Promise<string> {
  const texts: string[] = [];
  for await (const { workflowId, runId } of harness.temporal.client.workflow.list()) {
    const history = await harness.temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
    const json = historyToJSON(history);
    texts.push(json);
    for (const [, data = ''] of json.matchAll(/"data": ?"([A-Za-z0-9+/=]+)"/g)) {
      texts.push(Buffer.from(data, 'base64').toString('utf8'));
    }
  }
  return texts.join('\n');
}

it('backs up twice, and lists what it holds', async () => {
  await run(WorkflowType.vaultInit, 'init-1', { vault: house.vault });
  const first = await backup('backup-1');
  expect(first).toMatchObject({ backupSet: BACKUP_SET, kind: 'full', newSet: true });
  const second = await backup('backup-2');
  expect(second).toMatchObject({ kind: 'delta', newSet: false });
  expect(second.storedBytes).toBeLessThan(1 << 20);
  const list = await run<VaultListResult>(WorkflowType.vaultList, 'list-1', { vault: house.vault });
  expect(list.backupSets).toHaveLength(1);
  expect(list.backupSets[0]?.jobs.map(({ jobId }) => jobId)).toEqual([first.jobId, second.jobId]);
});

it('runs a session to its end, with the export there while it runs and nothing after', async () => {
  const input = house.startInput(startInput({ site: SITE, verify: 'beside' }), PASSPHRASE, PASSWORD);
  await harness.withSession(input, house, async (session) => {
    const status = await eventually('running and verified', async () => {
      const now = await session.status();
      return now.state === 'running' && now.verify.state !== 'running' ? now : undefined;
    });
    expect(status).toMatchObject({ status: 'OK', progressPercent: 100, verify: { state: 'passed' } });
    const { remotePath } = await house.gateway.exportStatus(input.sessionId);
    expect([...house.target.mounts.values()]).toMatchObject([{ name: `rundirect-${SITE}`, remotePath }]);
    expect([...house.target.vms.values()]).toMatchObject([{ name: 'web01', powerState: 'poweredOn' }]);
    expect(await house.gateway.leases()).toHaveLength(1);
    expect(await session.stop()).toMatchObject({ state: 'stopped' });
  });
  expect(house.target.mounts.size + house.target.vms.size).toBe(0);
  expect(await house.gateway.leases()).toEqual([]);
  expect(await house.gateway.exports()).toEqual([]);
  await expect(readdir(join(house.folder, 'state', 'overlays'))).resolves.toEqual([]);
});

it('undoes a start whose target goes away, as soon as it is back', async () => {
  const input = house.startInput(startInput({ site: SITE, stepTimeoutMs: 6_000 }), PASSPHRASE, PASSWORD);
  house.target.arriving.set('registerVm', () => (house.target.isDown = true));
  await harness.withSession(input, house, async (session) => {
    await eventually('a word about the target', async () =>
      (await session.status()).log.find(({ message }) => message.includes('Could not')),
    );
    house.target.isDown = false;
    await expect(session.handle.result()).rejects.toThrow();
    expect(await session.status()).toMatchObject({ state: 'failed' });
  });
  expect(house.target.mounts.size + house.target.vms.size).toBe(0);
  expect(await house.gateway.leases()).toEqual([]);
  expect(await house.gateway.exports()).toEqual([]);
});

it.each([
  ['passphrase', WRONG, PASSWORD, 'KeyRejected'],
  ['password', PASSPHRASE, WRONG, 'InvalidLogin'],
])('refuses a wrong %s in preflight', async (_, passphrase, password, type) => {
  const input = house.startInput(startInput({ site: SITE }), passphrase, password);
  await harness.withSession(input, house, async (session) => {
    await expect(session.handle.result()).rejects.toMatchObject({ cause: { type } });
  });
  expect(await house.gateway.exports()).toEqual([]);
});

it('leaves no secret in any history', async () => {
  const everything = await everythingInHistories();
  expect(everything).toContain('web01');
  expect(everything).toContain(BACKUP_SET);
  for (const secret of [PASSPHRASE, PASSWORD, WRONG]) expect(everything).not.toContain(secret);
  const { key } = await (await house.deps.vaults.open(house.vault)).unlockSet(BACKUP_SET, PASSPHRASE);
  expect(everything).not.toContain(Buffer.from(key).toString('base64'));
});

// The backup that a proof runs from, made for real: it opens with the passphrase that the site sealed to itself, holds
// a VM that nothing stands against, and goes without a trace.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { proveIdFor, proveSessionId } from '../../contract/index.ts';
import { loadSiteKey, type SiteKey } from '../../secrets/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { runActivity } from '../../test/run-activity.ts';
import { initVault, openVault } from '../../vault/index.ts';
import { hardwareFindings, openVmFolder, parseDescriptor, parseVmx } from '../../vm-folder/index.ts';
import type { ActivityDeps } from '../index.ts';
import { assertOwnSession } from '../target.ts';
import { readCounters } from './boot-sector.ts';

const PROOF = proveIdFor('abcdefgh01');
const run = promisify(execFile);

let folder: string;
let siteKey: SiteKey;
let deps: ActivityDeps;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rd-proofs-'));
  siteKey = await loadSiteKey(folder);
  deps = activityDeps({
    ...{ siteKey, vaults: { init: initVault, open: openVault }, vmFolders: { open: openVmFolder } },
    proofs: join(folder, 'proofs'),
  });
});
afterAll(() => rm(folder, { recursive: true }));

const owner = { workflowId: PROOF };

it('opens with its passphrase, and holds a VM that can come along', async () => {
  // A later attempt replaces what an earlier one has left.
  await runActivity(deps, 'makeProveBackup', { proveId: PROOF }, owner);
  const source = await runActivity(deps, 'makeProveBackup', { proveId: PROOF }, { ...owner, attempt: 2 });
  const binding = { ...owner, purpose: 'set-passphrase', subject: source.backupSet };
  const passphrase = Buffer.from(siteKey.open(source.passphrase, binding)).toString();
  const set = await (await openVault(source.vault)).unlockSet(source.backupSet, passphrase);
  const vm = await set.openVm(source.jobId, source.vmName);
  const fileOf = (name: string): Uint8Array =>
    vm.files.find((file) => file.name === name)?.bytes ?? new Uint8Array();
  const descriptor = parseDescriptor(fileOf('prove.vmdk'), 'prove.vmdk');
  const vmx = parseVmx(fileOf('prove.vmx'));
  expect(hardwareFindings(vmx, new Map([['prove.vmdk', descriptor]]))).toEqual([]);
  const disk = Buffer.alloc(descriptor.sizeBytes);
  await (await vm.openImage('prove.vmdk')).read(0, disk);
  expect(disk.readUInt16BE(510)).toBe(0x55aa);
  expect(readCounters(disk)).toEqual({ boots: 0, seconds: 0 });
  await writeFile(join(folder, 'prove.vmdk'), fileOf('prove.vmdk'));
  await writeFile(join(folder, 'prove-flat.vmdk'), disk);
  await vm.close();
  const { stdout } = await run('qemu-img', ['info', '--output=json', join(folder, 'prove.vmdk')]);
  expect(JSON.parse(stdout)).toMatchObject({ format: 'vmdk', 'virtual-size': 4 * 1024 * 1024 });
  await runActivity(deps, 'removeProveBackup', { proveId: PROOF }, owner);
  expect(await readdir(deps.proofs)).toEqual([]);
});

it('is made and removed for its own proof alone', async () => {
  const other = { workflowId: proveIdFor('abcdefgh02') };
  await expect(runActivity(deps, 'makeProveBackup', { proveId: PROOF }, other)).rejects.toThrow(PROOF);
  await expect(
    runActivity(deps, 'removeProveBackup', { proveId: '..' }, { workflowId: '..' }),
  ).rejects.toMatchObject({
    type: 'InvalidInput',
  });
});

it("lets a proof's Workflow do the steps of its rounds, and no other do so", () => {
  const sessionId = proveSessionId(PROOF, 'outage', 2);
  assertOwnSession(owner, sessionId);
  expect(() => assertOwnSession({ workflowId: sessionId }, sessionId)).toThrow(sessionId);
  expect(() => assertOwnSession({ workflowId: proveIdFor('abcdefgh02') }, sessionId)).toThrow(sessionId);
});

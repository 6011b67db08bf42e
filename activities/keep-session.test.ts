// The step that keeps a session, with vault and gateway real and the host in memory: one keep is one job, and a VM
// that is not the session's any more is not kept.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeepSessionInput } from '../contract/index.ts';
import { GatewayError } from '../gateway/index.ts';
import { BACKUP_SET, openSiteHouse, type SiteHouse } from '../test/house-without-hosts.ts';
import { runActivity } from '../test/run-activity.ts';
import { startInput } from '../test/session-harness.ts';
import type { BackupSet } from '../vault/index.ts';
import { openVmFolder, SESSION_KEY } from '../vm-folder/index.ts';

const PASSWORD = 'planted-password';
let house: SiteHouse;
let set: BackupSet;
let sessions = 0;

beforeAll(async () => {
  house = await openSiteHouse('keeping', PASSWORD);
  await house.deps.vaults.init(house.vault);
  set = await (await house.deps.vaults.open(house.vault)).createSet(BACKUP_SET, 'correct horse');
  await backUp();
});
afterAll(() => house[Symbol.asyncDispose]());

async function backUp(): Promise<void> {
  const source = await openVmFolder(house.vmFolder);
  await set.backup([source]);
  await source.close();
}

const jobs = async () => (await set.jobs()).map(({ jobId }) => jobId);

/** A session that is published, and its VM at the target; answers what its Workflow would ask. */
async function running(): Promise<KeepSessionInput> {
  sessions += 1;
  const sessionId = `kept-${sessions}`;
  const { vmxPath } = await house.gateway.publish({
    sessionId,
    targetId: 'esx1',
    allow: ['127.0.0.1'],
    source: {
      ...{ vault: house.vault, backupSet: BACKUP_SET, jobId: (await jobs())[0] ?? '', vmName: 'web01' },
      setKey: Buffer.from(set.key).toString('base64'),
    },
    vmx: { displayName: 'web01', network: 'disconnected' },
    reserveFactor: 0.1,
  });
  const input = house.startInput(startInput({ sessionId }), 'correct horse', PASSWORD);
  const [datastore, fileName] = ['rundirect-keeping', `[rundirect-keeping] ${sessionId}/web01.vmdk`];
  const { moref } = house.target.add({
    name: 'web01',
    vmPathName: `[${datastore}] ${vmxPath}`,
    disks: [{ key: 1, fileName, capacityBytes: 1024, parents: [] }],
    extraConfig: { [SESSION_KEY]: sessionId },
  });
  const placement = { targetId: 'esx1', host: { moref: 'host-1', name: 'esx01' }, datastore };
  return {
    ...{ sessionId, moref, keepId: `keep-${sessions}`, target: input.target },
    exported: { remoteHost: '127.0.0.1', remotePath: '/rundirect/esx1', vmxPath },
    placement: { ...placement, folder: 'f', resourcePool: 'p', vmName: 'web01', allow: [] },
  };
}

const keep = (input: KeepSessionInput, workflowId = input.sessionId) =>
  runActivity(house.deps, 'keepSession', input, { workflowId });

describe('keeping a session', () => {
  it('makes a job of it, once, on top of the job that it runs from', async () => {
    const input = await running();
    const [base] = await jobs();
    // What comes after the session's job is nothing to it.
    await backUp();
    const result = await keep(input);
    expect(result).toMatchObject({ sessionId: input.sessionId, baseJobId: base, readBytes: 0 });
    expect(result.job).toMatchObject({
      kind: 'delta',
      keptFrom: { sessionId: input.sessionId, keepId: input.keepId, baseJobId: base, at: result.at },
    });
    // As after a worker that died before it could say so.
    const again = await keep(input);
    expect(again).toMatchObject({ job: { jobId: result.job.jobId }, at: result.at });
    const next = await keep({ ...input, keepId: 'another' });
    expect((await jobs()).slice(-2)).toEqual([result.job.jobId, next.job.jobId]);
    expect(await set.verify(next.job.jobId)).toMatchObject({ passed: true });
    const vm = await set.openVm('latest', 'web01');
    expect(vm.files.map(({ name }) => name).sort()).toEqual(['web01.vmdk', 'web01.vmx']);
    expect(vm.files.some(({ bytes }) => Buffer.from(bytes).includes('rundirect'))).toBe(false);
    await vm.close();
  });

  it.each([
    ['that was migrated by hand', '[prod] web01/web01.vmdk', '[prod] web01/web01.vmx', 'VmMoved'],
    ['with a disk elsewhere', '[prod] web01/web01.vmdk', undefined, 'NotOurs'],
  ] as const)('leaves a VM %s alone', async (_, fileName, vmPathName, type) => {
    const input = await running();
    const before = await jobs();
    house.target.change(input.moref, {
      disks: [{ key: 1, fileName, capacityBytes: 1024, parents: [] }],
      ...(vmPathName === undefined ? {} : { vmPathName }),
    });
    await expect(keep(input)).rejects.toMatchObject({ type, nonRetryable: true });
    expect(await jobs()).toEqual(before);
  });

  it('waits for no file of a VM that is gone', async () => {
    const input = await running();
    house.target.vms.delete(input.moref);
    const withPoint = () => Promise.reject(new GatewayError('Busy', 'web01.vmx was being written'));
    const deps = { ...house.deps, gateway: { ...house.deps.gateway, withPoint } };
    const kept = runActivity(deps, 'keepSession', input, { workflowId: input.sessionId });
    await expect(kept).rejects.toMatchObject({ type: 'NotOurs', nonRetryable: true });
  });

  it('waits for a target that is away and a set that is being backed up, and for nobody who is not asked', async () => {
    const input = await running();
    house.target.isDown = true;
    await expect(keep(input)).rejects.toMatchObject({ type: 'TargetUnavailable', nonRetryable: false });
    house.target.isDown = false;
    await expect(keep(input, 'somebody-else')).rejects.toMatchObject({ type: 'NotOurs' });
    const [begun, done] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const assertUnchanged = async (): Promise<void> => {
      begun.resolve(undefined);
      await done.promise;
    };
    const other = set.backup([{ vmName: 'other', disks: [], files: [], assertUnchanged }]);
    await begun.promise;
    await expect(keep(input)).rejects.toMatchObject({ type: 'BackupInProgress', nonRetryable: false });
    done.resolve(undefined);
    await other;
    await keep(input);
    await house.gateway.drop(input.sessionId);
    await expect(keep(input)).rejects.toMatchObject({ type: 'NotFound', nonRetryable: true });
  });
});

// What clearing a round takes away, and what it leaves alone, at a target in memory.
import { beforeEach, describe, expect, it } from 'vitest';
import { proveIdFor, proveSessionId, proveVmName } from '../../contract/index.ts';
import type { SiteKey } from '../../secrets/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeTarget } from '../../test/fake-target.ts';
import { runActivity } from '../../test/run-activity.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import { type VirtualDisk, VsphereError } from '../../vsphere/index.ts';
import { proveNetwork } from './network.ts';

const PROOF = proveIdFor('abcdefgh01');
const SESSION = proveSessionId(PROOF, 'live', 1);
const NAME = proveVmName(SESSION);
const sealed = { version: 1 as const, sealedTo: 'SHA256:x', ephemeralKey: 'x', ciphertext: 'x' };
const siteKey: SiteKey = { publicKey: '', fingerprint: '', open: () => Buffer.from('secret') };

let target: FakeTarget;
let deleted: string[];
beforeEach(() => {
  target = new FakeTarget();
  deleted = [];
  const { vms } = target;
  const found = (is: (vm: { name: string; extraConfig: Readonly<Record<string, string>> }) => boolean) =>
    Promise.resolve([...vms.values()].filter(is));
  Object.assign(target.vsphere, {
    findVmsByExtraConfig: (key: string, value: string) =>
      found(({ extraConfig }) => extraConfig[key] === value),
    findVmsByName: (wanted: string) => found(({ name }) => name === wanted),
    destroyVm: async (moref: string) => {
      deleted.push(`VM ${moref}`);
      vms.delete(moref);
    },
    deleteDatastoreFile: async (path: string) => {
      deleted.push(path);
    },
  });
});

function clear(): Promise<void> {
  const deps = activityDeps({ siteKey, targets: target.targets });
  const input = {
    sessionId: SESSION,
    target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
    host: { moref: 'host-1', name: 'esx01' },
    datastore: { moref: 'ds-prod', name: 'prod', type: 'VMFS' },
  };
  return runActivity(deps, 'clearProve', input, { workflowId: PROOF });
}

const disk = (fileName: string, parents: string[] = []): VirtualDisk => ({
  ...{ key: 0, node: 'scsi0:0', fileName, capacityBytes: 1024, parents },
});
const marked = { extraConfig: { [SESSION_KEY]: SESSION } };

describe('clearing a round', () => {
  it('finds nothing to do where nothing was made', async () => {
    await clear();
    expect(deleted).toEqual([`[prod] ${NAME}`]);
  });

  it('takes a VM from the inventory whose disk is still at the gateway, and its network', async () => {
    const path = `[rundirect-main] ${SESSION}/prove.vmx`;
    target.add({ name: 'renamed', vmPathName: path, powerState: 'poweredOn', ...marked });
    target.isolated.set(proveNetwork(SESSION).portGroup, proveNetwork(SESSION).vswitch);
    await clear();
    expect(target.vms.size).toBe(0);
    expect(target.isolated.size).toBe(0);
    expect(deleted).toEqual([`[prod] ${NAME}`]);
  });

  it('deletes one with its files that lies in production altogether, known by its name alone', async () => {
    const disks = [disk(`[prod] ${NAME}/prove.vmdk`)];
    const { moref } = target.add({ name: NAME, vmPathName: `[prod] ${NAME}/prove.vmx`, disks });
    await clear();
    expect(deleted).toEqual([`VM ${moref}`, `[prod] ${NAME}`]);
  });

  it('deletes none that stands on a file elsewhere', async () => {
    const disks = [disk(`[prod] ${NAME}/prove-000001.vmdk`, [`[rundirect-main] ${SESSION}/prove.vmdk`])];
    target.add({ name: NAME, vmPathName: `[prod] ${NAME}/prove.vmx`, disks });
    await clear();
    expect(deleted).toEqual([`[prod] ${NAME}`]);
    expect(target.vms.size).toBe(0);
  });

  it('leaves every other VM alone, those of other rounds too', async () => {
    const other = proveSessionId(PROOF, 'cold', 1);
    target.add({ name: 'web01', powerState: 'poweredOn' });
    target.add({ name: proveVmName(other), extraConfig: { [SESSION_KEY]: other }, powerState: 'poweredOn' });
    await clear();
    expect([...target.vms.values()].map(({ powerState }) => powerState)).toEqual(['poweredOn', 'poweredOn']);
  });

  it('is tried again while the target is busy with the VM', async () => {
    const { moref } = target.add({ name: NAME, ...marked });
    Object.assign(target.vsphere, {
      powerOffVm: () => Promise.reject(new VsphereError('TaskInProgress', 'it is relocated')),
    });
    await expect(clear()).rejects.toMatchObject({ type: 'TaskInProgress', nonRetryable: false });
    expect(target.vms.has(moref)).toBe(true);
  });
});

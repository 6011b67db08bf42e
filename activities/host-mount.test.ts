// Two sessions share one host's datastore: neither may lose it to the other, or to a call of a worker that died.
import { ApplicationFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import type { SiteActivities, TargetStepInput, UnmountInput } from '../contract/index.ts';
import type { SiteKey } from '../secrets/index.ts';
import { activityDeps } from '../test/activity-deps.ts';
import { FakeGateway } from '../test/fake-gateway.ts';
import { FakeTarget, fakeHost } from '../test/fake-target.ts';
import { fakePlacement } from '../test/fake-world.ts';
import { runActivity } from '../test/run-activity.ts';
import type { ActivityDeps } from './index.ts';

const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const siteKey: SiteKey = {
  publicKey: '',
  fingerprint: '',
  open: () => new TextEncoder().encode('secret'),
};

function site() {
  const target = new FakeTarget();
  const gateway = new FakeGateway();
  const deps = activityDeps({ siteKey, gateway, targets: target.targets });
  return { target, gateway, deps };
}

const MAX_TRIES = 5;

/** As Temporal does: again, while the failure may pass. */
async function insist<N extends 'mount' | 'unmount' | 'registerVm' | 'unregisterVm'>(
  deps: ActivityDeps,
  name: N,
  sessionId: string,
  more: Pick<UnmountInput, 'sparesGuest'> = {},
): Promise<Awaited<ReturnType<SiteActivities[N]>>> {
  const exported = {
    remoteHost: '127.0.0.1',
    remotePath: '/rundirect/lab-1',
    vmxPath: `${sessionId}/web01.vmx`,
  };
  const target = { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed };
  const input: TargetStepInput & { moref: undefined } = {
    ...{ sessionId, target, exported, moref: undefined, ...more },
    placement: fakePlacement,
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await runActivity(deps, name, input as Parameters<SiteActivities[N]>[0], {
        workflowId: sessionId,
        attempt,
      });
    } catch (error) {
      const isFinal = error instanceof ApplicationFailure && error.nonRetryable === true;
      if (isFinal || attempt === MAX_TRIES) throw error;
    }
  }
}

it('unmounts when the last session gives its lease back, and not before', async () => {
  const { target, gateway, deps } = site();
  await insist(deps, 'mount', 'a');
  await insist(deps, 'mount', 'b');
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: false });
  expect(target.mounts.size).toBe(1);
  expect(await insist(deps, 'unmount', 'b')).toEqual({ unmounted: true, reason: undefined });
  expect(target.mounts.size).toBe(0);
  expect(gateway.held).toEqual([]);
});

it('tolerates an unmount of what was never mounted', async () => {
  const { gateway, deps } = site();
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: true });
  expect(gateway.held).toEqual([]);
});

it('takes back a registration that arrived after it was undone', async () => {
  const { target, deps } = site();
  await insist(deps, 'mount', 'a');
  await insist(deps, 'unregisterVm', 'a');
  await insist(deps, 'registerVm', 'a');
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: true });
  expect(target.vms.size + target.mounts.size).toBe(0);
});

it.each(['unregisterVm', 'unmount'] as const)(
  '%s leaves a guest that runs to run, where nobody said that it may be powered off',
  async (step) => {
    const { target, gateway, deps } = site();
    await insist(deps, 'mount', 'a');
    const { moref } = await insist(deps, 'registerVm', 'a');
    target.change(moref, { powerState: 'poweredOn' });
    const spared = insist(deps, step, 'a', { sparesGuest: true });
    await expect(spared).rejects.toMatchObject({ type: 'GuestRuns' });
    expect(target.vms.get(moref)?.powerState).toBe('poweredOn');
    expect(gateway.held).toHaveLength(1);
    await insist(deps, step, 'a');
    expect(target.vms.size).toBe(0);
  },
);

it("leaves the datastore where somebody's own VM lies on it", async () => {
  const { target, deps } = site();
  await insist(deps, 'mount', 'a');
  target.add({ name: 'theirs', vmPathName: '[rundirect-main] theirs/theirs.vmx' });
  const answer = await insist(deps, 'unmount', 'a');
  expect(answer.unmounted).toBe(false);
  expect(answer.reason).toContain('theirs');
});

it("leaves the datastore where somebody's template has a disk on it", async () => {
  const { target, deps } = site();
  await insist(deps, 'mount', 'a');
  const disks = [{ key: 1, fileName: '[rundirect-main] gold/gold.vmdk', capacityBytes: 1, parents: [] }];
  const { moref } = target.add({ name: 'gold', vmPathName: '[local] gold/gold.vmx', disks });
  target.templates.add(moref);
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: false });
});

it("drops nothing that somebody else's VM stands on, on whatever host, and says which", async () => {
  const { target, gateway, deps } = site();
  await insist(deps, 'mount', 'a');
  await insist(deps, 'mount', 'b');
  const disks = [
    {
      key: 1,
      fileName: '[local] clone/c.vmdk',
      capacityBytes: 1,
      parents: ['[rundirect-main] a/web01.vmdk'],
    },
  ];
  const { moref } = target.add({ name: 'clone', disks, host: 'host-2' });
  const unmounting = insist(deps, 'unmount', 'a');
  await expect(unmounting).rejects.toMatchObject({ type: 'ResourceInUse' });
  await expect(unmounting).rejects.toThrow('clone (vm-1) uses [rundirect-main] a/web01.vmdk');
  expect(gateway.held).toHaveLength(2);
  target.vms.delete(moref);
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: false });
});

it('unmounts from its host, whatever runs from there on another one', async () => {
  const { target, deps } = site();
  await insist(deps, 'mount', 'a');
  target.add({ name: 'other', vmPathName: '[rundirect-main] b/other.vmx', host: 'host-2' });
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: true });
  expect(target.mounts.size).toBe(0);
});

it('tells of another host that somebody mounted it on, and of none where a session is', async () => {
  const { target, gateway, deps } = site();
  target.hosts = [fakeHost, { ...fakeHost, moref: 'host-2', name: 'esx02' }];
  target.alsoMountedOn = ['host-2'];
  await insist(deps, 'mount', 'a');
  const told = await insist(deps, 'unmount', 'a');
  expect(told).toMatchObject({ unmounted: true, reason: expect.stringContaining('esx02 has it') as string });
  await insist(deps, 'mount', 'a');
  await gateway.takeLease({ host: 'lab-1/host-2', datastore: 'rundirect-main', sessionId: 'b' });
  expect(await insist(deps, 'unmount', 'a')).toEqual({ unmounted: true, reason: undefined });
});

it("unmounts nothing that is somebody else's and has the name of ours", async () => {
  const { target, gateway, deps } = site();
  const theirs = { name: 'rundirect-main', remoteHost: '127.0.0.1', remotePath: '/rundirect/another-target' };
  target.mounts.set(theirs.name, theirs);
  await expect(insist(deps, 'mount', 'a')).rejects.toMatchObject({ type: 'DatastoreConflict' });
  await insist(deps, 'unmount', 'a');
  expect([...target.mounts.values()]).toEqual([theirs]);
  expect(gateway.held).toEqual([]);
});

it('unmounts its own datastore by whatever name', async () => {
  const { target, deps } = site();
  await insist(deps, 'mount', 'a');
  target.renameDatastore('rundirect-main', 'backup');
  expect(await insist(deps, 'unmount', 'a')).toMatchObject({ unmounted: true });
  expect(target.mounts.size).toBe(0);
});

it.each(['before the mount', 'before the register', 'within the register', 'after the register'])(
  'survives the removal that a dead worker sent, carried out %s of the next session',
  async (when) => {
    const { target, gateway, deps } = site();
    await insist(deps, 'mount', 'a');
    target.loseNextRemoval();
    const dead = runActivity(
      deps,
      'unmount',
      {
        sessionId: 'a',
        target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
        placement: fakePlacement,
        exported: { remoteHost: '127.0.0.1', remotePath: '/rundirect/lab-1', vmxPath: 'a/web01.vmx' },
      },
      { workflowId: 'a' },
    );
    await expect(dead).rejects.toMatchObject({ type: 'TargetUnavailable' });

    if (when === 'before the mount') target.deliverLost();
    await insist(deps, 'mount', 'b');
    if (when === 'before the register') target.deliverLost();
    if (when === 'within the register') target.arriving.set('registerVm', () => target.deliverLost());
    await insist(deps, 'registerVm', 'b');
    target.deliverLost();

    expect(target.mounts.size).toBe(1);
    expect(target.vms.size).toBe(1);
    await insist(deps, 'unmount', 'a');
    expect(target.mounts.size).toBe(1);
    await insist(deps, 'unregisterVm', 'b');
    await insist(deps, 'unmount', 'b');
    expect(target.mounts.size).toBe(0);
    expect(gateway.held).toEqual([]);
  },
);

it('keeps every session its datastore while others come and go beside it', async () => {
  const { target, gateway, deps } = site();
  const life = async (sessionId: string): Promise<void> => {
    await insist(deps, 'mount', sessionId);
    const { moref } = await insist(deps, 'registerVm', sessionId);
    expect(target.mounts.size).toBe(1);
    expect(target.vms.has(moref)).toBe(true);
    await insist(deps, 'unregisterVm', sessionId);
    await insist(deps, 'unmount', sessionId);
  };
  const lives = (name: string) => async () => {
    for (let turn = 0; turn < 20; turn++) await life(`${name}${turn}`);
  };
  await Promise.all([lives('a')(), lives('b')(), lives('c')()]);
  expect(target.mounts.size).toBe(0);
  expect(target.vms.size).toBe(0);
  expect(gateway.held).toEqual([]);
});

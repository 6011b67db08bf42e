// Against the lab, as a host and as a vCenter; pyvmomi looks over the shoulder.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Lab, type LabVm, startLab } from '../lab/lab.ts';
import { connect, type Vsphere } from './index.ts';
import { screenshot } from './screenshot.ts';
import { openSession, type Session } from './session.ts';
import { pyvmomiFolder, runPython } from './testing/pyvmomi.ts';

/** The first run on a machine builds the lab. */
const BUILD_LIMIT_MS = 600_000;
const GUEST_LIMIT_MS = 60_000;
const PEER = join(import.meta.dirname, 'testing', 'peer.py');
const MARK = 'rundirect.session';

describe.each(['esx', 'vcenter'] as const)('%s', (model) => {
  let lab: Lab;
  let vsphere: Vsphere;
  let vm: LabVm;

  beforeAll(async () => {
    pyvmomiFolder();
    lab = await startLab({ model });
    vsphere = await connect(lab);
    vm = await lab.createVm({ name: 'web', disks: [{ datastore: 'datastore2', sizeMiB: 8 }] });
  }, BUILD_LIMIT_MS);
  afterAll(async () => {
    await vsphere[Symbol.asyncDispose]();
    await lab.close();
  });
  afterEach(() => lab.clearFaults());

  const whatThePeerSees = (): unknown =>
    JSON.parse(runPython(PEER, lab.host, String(lab.port), lab.user, lab.password));

  /** The same as the peer's, by our client. */
  async function whatWeSee(): Promise<unknown> {
    const { hosts, datastores } = await vsphere.inventory();
    const vms = [];
    for await (const { moref } of vsphere.listVms()) {
      const read = (await vsphere.readVm(moref))!;
      const { name, vmPathName, powerState, host, uuid, annotation, extraConfig } = read;
      const disks = read.disks.map(({ key, fileName, capacityBytes }) => ({ key, fileName, capacityBytes }));
      const nics = read.nics.map(({ key, macAddress, startConnected }) => ({
        key,
        macAddress,
        startConnected,
      }));
      vms.push({ moref, name, vmPathName, powerState, host, uuid, annotation, extraConfig, disks, nics });
    }
    return {
      about: { apiType: vsphere.about.apiType, version: vsphere.about.version },
      hosts: hosts
        .map(({ moref, name, datastores: mounted }) => ({ moref, name, datastores: mounted.toSorted() }))
        .sort(byMoref),
      datastores: datastores
        .map(({ moref, name, type, capacityBytes, accessible, nas }) => ({
          ...{ moref, name, type, capacityBytes, accessible },
          nas: nas ?? null,
        }))
        .sort(byMoref),
      vms: vms.sort(byMoref),
    };
  }

  /** Where the VM stands, so that it can be registered there again. */
  async function placeOf(path: string, name: string) {
    const [host] = (await vsphere.inventory()).hosts;
    const { datacenter, computeResource, moref } = host!;
    return { folder: datacenter.vmFolder, path, name, pool: computeResource.resourcePool, host: moref };
  }

  /** As with a target that does not serve `/screen`. */
  async function screenshotWithoutScreen(moref: string): Promise<Uint8Array> {
    await using session = await openSession(lab);
    const get: Session['get'] = (path, options) =>
      session.get(path.startsWith('/screen') ? '/no-such-page' : path, options);
    return await screenshot({ ...session, get }, moref);
  }

  test('pyvmomi sees what we see, before and after a change of ours', async () => {
    expect(await whatWeSee()).toEqual(whatThePeerSees());
    const { nics } = (await vsphere.readVm(vm.moref))!;
    await vsphere.reconfigureVm(vm.moref, {
      extraConfig: { [MARK]: 'a-1 <&> "é"', 'rundirect.other': 'x' },
      annotation: 'Run Direct\nsecond line',
      nics: [{ key: nics[0]!.key, startConnected: false }],
    });
    const ours = (await vsphere.readVm(vm.moref))!;
    expect(ours.extraConfig[MARK]).toBe('a-1 <&> "é"');
    expect(ours.annotation).toBe('Run Direct\nsecond line');
    expect(ours.nics[0]?.startConnected).toBe(false);
    expect(ours.macs).toEqual([vm.mac]);
    expect(await whatWeSee()).toEqual(whatThePeerSees());
  });

  test('a VM is found by its mark, its path and its name, and an emptied mark is gone', async () => {
    await vsphere.reconfigureVm(vm.moref, { extraConfig: { [MARK]: 'b-2' } });
    expect((await vsphere.findVmsByExtraConfig(MARK, 'b-2')).map((each) => each.moref)).toEqual([vm.moref]);
    expect((await vsphere.findVmByPath(vm.path))?.moref).toBe(vm.moref);
    expect(await vsphere.findVmByPath('[datastore1] no/no.vmx')).toBeUndefined();
    expect(await vsphere.findVmByPath('[nowhere] no/no.vmx')).toBeUndefined();
    expect((await vsphere.findVmsByName('web')).map((each) => each.moref)).toEqual([vm.moref]);
    await vsphere.reconfigureVm(vm.moref, { extraConfig: { [MARK]: '' } });
    expect(await vsphere.findVmsByExtraConfig(MARK, 'b-2')).toEqual([]);
    expect((await vsphere.readVm(vm.moref))?.extraConfig).not.toHaveProperty([MARK]);
  });

  test('registering and unregistering can be repeated', async () => {
    const made = await lab.createVm({ name: 'again' });
    await vsphere.unregisterVm(made.moref);
    await vsphere.unregisterVm(made.moref);
    expect(await vsphere.readVm(made.moref)).toBeUndefined();
    const place = await placeOf(made.path, 'again/100%');
    const moref = await vsphere.registerVm(place);
    expect(await vsphere.registerVm(place)).toBe(moref);
    expect((await vsphere.readVm(moref))?.name).toBe('again/100%');
    await vsphere.unregisterVm(moref);
  });

  test('two who register the same path at once get the same VM', async () => {
    const made = await lab.createVm({ name: 'twice' });
    await vsphere.unregisterVm(made.moref);
    const place = await placeOf(made.path, 'twice');
    const morefs = await Promise.all([vsphere.registerVm(place), vsphere.registerVm(place)]);
    expect(morefs[0]).toBe(morefs[1]);
    await vsphere.unregisterVm(morefs[0]);
  });

  test('a call whose answer was lost is found done when it is tried again', async () => {
    const made = await lab.createVm({ name: 'lost' });
    await vsphere.unregisterVm(made.moref);
    const place = await placeOf(made.path, 'lost');
    await lab.addFault({ method: 'RegisterVM_Task', action: 'drop', times: 1 });
    await expect(vsphere.registerVm(place)).rejects.toMatchObject({ code: 'TargetUnavailable' });
    const moref = await vsphere.registerVm(place);
    expect((await vsphere.findVmsByName('lost')).map((each) => each.moref)).toEqual([moref]);
    await vsphere.unregisterVm(moref);
  });

  test('a name that is taken is NameTaken', async () => {
    const made = await lab.createVm({ name: 'other' });
    await vsphere.unregisterVm(made.moref);
    const place = await placeOf(made.path, 'web');
    await expect(vsphere.registerVm(place)).rejects.toMatchObject({
      code: 'NameTaken',
      fault: 'DuplicateName',
    });
  });

  test('a VM runs: question, heartbeat, screenshot, and off again', { timeout: GUEST_LIMIT_MS }, async () => {
    const elsewhere = '56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 01';
    const made = await lab.createVm({ name: 'moved', extra: { 'uuid.location': elsewhere } });
    const before = (await vsphere.readVm(made.moref))!;
    await expect(vsphere.screenshot(made.moref)).rejects.toMatchObject({ code: 'InvalidPowerState' });
    const progress: number[] = [];
    await vsphere.powerOnVm(made.moref, {
      movedOrCopied: 'moved',
      onProgress: (percent) => progress.push(percent),
    });
    await vsphere.powerOnVm(made.moref, { movedOrCopied: 'moved' });
    expect(progress.length).toBeGreaterThan(0);
    expect(await vsphere.readVm(made.moref)).toMatchObject({ powerState: 'poweredOn', uuid: before.uuid });

    const seen: string[] = [];
    const state = await vsphere.waitForVm(made.moref, ({ guestHeartbeatStatus: each }) => each === 'green', {
      timeoutMs: GUEST_LIMIT_MS,
      onChange: ({ guestHeartbeatStatus: each }) => seen.push(each),
    });
    expect(state?.toolsRunningStatus).toBe('guestToolsRunning');
    expect(seen.at(-1)).toBe('green');
    const calls = (await lab.methodLog()).filter((each) => each.method.startsWith('RetrieveProperties'));
    expect(calls.length).toBeLessThan(200);

    const picture = Buffer.from(await vsphere.screenshot(made.moref));
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    const byFile = Buffer.from(await screenshotWithoutScreen(made.moref));
    expect(byFile.subarray(1, 4).toString()).toBe('PNG');
    expect((await readdir(made.folder)).filter((each) => each.endsWith('.png'))).toEqual([]);
    await vsphere.powerOffVm(made.moref);
    await vsphere.powerOffVm(made.moref);
    expect((await vsphere.readVm(made.moref))?.powerState).toBe('poweredOff');
    await vsphere.unregisterVm(made.moref);
  });

  test('a copied VM gets an identity of its own', async () => {
    const elsewhere = '56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 02';
    const made = await lab.createVm({ name: 'copied', extra: { 'uuid.location': elsewhere } });
    const before = (await vsphere.readVm(made.moref))!;
    await vsphere.powerOnVm(made.moref, { movedOrCopied: 'copied' });
    expect((await vsphere.readVm(made.moref))?.uuid).not.toBe(before.uuid);
    await vsphere.powerOffVm(made.moref);
    await vsphere.unregisterVm(made.moref);
  });

  test('a power-on whose answer was lost is attached to again', async () => {
    const made = await lab.createVm({ name: 'slow' });
    await lab.addFault({ method: 'PowerOnVM_Task', action: 'drop', times: 1 });
    const powerOn = () => vsphere.powerOnVm(made.moref, { movedOrCopied: 'moved' });
    await expect(powerOn()).rejects.toMatchObject({ code: 'TargetUnavailable' });
    await powerOn();
    expect((await vsphere.readVm(made.moref))?.powerState).toBe('poweredOn');
    await vsphere.powerOffVm(made.moref);
    await vsphere.unregisterVm(made.moref);
  });

  test.each([
    ['InsufficientMemoryResourcesFault', 'PowerOnFailed'],
    ['GenericVmConfigFault', 'PowerOnFailed'],
    ['FileLocked', 'ResourceInUse'],
    ['TaskInProgress', 'TaskInProgress'],
    ['NoDiskSpace', 'StorageFull'],
  ] as const)('a power-on that fails with %s is %s', async (fault, code) => {
    await lab.addFault({ method: 'PowerOnVM_Task', action: 'failTask', fault, times: 1 });
    const powerOn = vsphere.powerOnVm(vm.moref, { movedOrCopied: 'moved' });
    await expect(powerOn).rejects.toMatchObject({ code, fault });
  });

  test('a wait ends with its time, its signal, and its VM', async () => {
    expect(await vsphere.waitForVm(vm.moref, () => false, { timeoutMs: 10 })).toBeUndefined();
    const enough = new AbortController();
    const cancelled = vsphere.waitForVm(vm.moref, () => false, {
      timeoutMs: GUEST_LIMIT_MS,
      signal: enough.signal,
      onChange: () => enough.abort(),
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'Cancelled' });
    const made = await lab.createVm({ name: 'leaving' });
    const watching = Promise.withResolvers<undefined>();
    const left = vsphere.waitForVm(made.moref, () => false, {
      timeoutMs: GUEST_LIMIT_MS,
      onChange: () => watching.resolve(undefined),
    });
    await watching.promise;
    await vsphere.unregisterVm(made.moref);
    await expect(left).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('a session that the target ended is renewed, under a waiter too', async () => {
    const watching = Promise.withResolvers<undefined>();
    const waiting = vsphere.waitForVm(vm.moref, ({ powerState }) => powerState === 'poweredOn', {
      timeoutMs: GUEST_LIMIT_MS,
      onChange: () => watching.resolve(undefined),
    });
    await watching.promise;
    await lab.endSessions();
    expect((await vsphere.readVm(vm.moref))?.name).toBe('web');
    expect((await vsphere.inventory()).datastores.length).toBeGreaterThanOrEqual(2);
    await vsphere.powerOnVm(vm.moref, { movedOrCopied: 'moved' });
    expect((await waiting)?.powerState).toBe('poweredOn');
    await vsphere.powerOffVm(vm.moref);
  });

  test('a free licence is seen before the first write, and named by it', async () => {
    expect((await vsphere.licence()).allowsWrites).toBe(true);
    await lab.setLicence('free');
    try {
      if (model === 'esx') expect((await vsphere.licence()).allowsWrites).toBe(false);
      const write = vsphere.reconfigureVm(vm.moref, { annotation: 'x' });
      await expect(write).rejects.toMatchObject({ code: 'LicenceRestricted', fault: 'RestrictedVersion' });
    } finally {
      await lab.setLicence('full');
    }
  });

  test('unmounting what is not there is done, mounting what does not answer is an error', async () => {
    const [host] = (await vsphere.inventory()).hosts;
    await vsphere.removeDatastore(host!.moref, 'rundirect-none');
    await lab.addFault({ method: 'CreateNasDatastore', action: 'fail', fault: 'HostConfigFault', times: 1 });
    const spec = { name: 'rundirect-x', remoteHost: '127.0.0.1', remotePath: '/x' };
    await expect(vsphere.createNasDatastore(host!.moref, spec)).rejects.toMatchObject({
      fault: 'HostConfigFault',
    });
    const taken = { ...spec, name: 'datastore1' };
    await expect(vsphere.createNasDatastore(host!.moref, taken)).rejects.toMatchObject({
      code: 'DatastoreConflict',
    });
  });
});

function byMoref(one: { readonly moref: string }, other: { readonly moref: string }): number {
  return one.moref < other.moref ? -1 : 1;
}

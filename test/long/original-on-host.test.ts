// On a host alone, too, a VM takes its original's place: its disks are copied beside the original's, on each of its two
// datastores, and the original gets its name back when that fails.
import { expect, test } from 'vitest';
import { labVmByMoref } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { connect, type Vm } from '../../vsphere/index.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'esx' });

test('the original stands as it stood after a failure, and goes when the new one is there', async () => {
  const { house } = suite;
  const lab = house.stack.lab.ready;
  const read = async (moref: string): Promise<Vm | undefined> => {
    await using vsphere = await connect(lab);
    return await vsphere.readVm(moref);
  };
  const original = await house.createVm('web01', { disks: [{ datastore: 'datastore2', sizeMiB: 8 }] });
  const uuid = (await read(original.moref))?.uuid;
  await house.backup('nightly', original.folder);
  const session = await house.start('nightly', 'web01', '--name', 'web01-new', '--no-power-on');
  const { sessionId } = session;
  const inPlace = ['finalize', sessionId, '--location', 'original', '--remove-original'];

  await lab.addFault({ method: 'CopyVirtualDisk_Task', action: 'failTask', fault: 'NoDiskSpace', times: 1 });
  const failed = await house.run(inPlace);
  expect(failed.code).toBe(1);
  await lab.clearFaults();
  expect(await read(original.moref)).toMatchObject({ name: 'web01', powerState: 'poweredOff' });
  const back = await house.show(sessionId);
  expect(back).toMatchObject({ state: 'running', finalize: { original: { state: 'givenBack' } } });

  const result = await house.succeed(inPlace);
  expect(result).toMatchObject({ state: 'finalized', mode: 'cold', original: { state: 'removed' } });
  expect(await read(original.moref)).toBeUndefined();
  const [vm, ...others] = await lab.vms();
  expect(others).toEqual([]);
  expect(vm).toMatchObject({ name: 'web01', powerState: 'poweredOff' });
  expect(vm?.path).toMatch(/^\[datastore1\] web01/);
  const there = await read(vm?.moref ?? '');
  expect(there?.disks.map(({ fileName }) => fileName.replace(/\/.*/, ''))).toEqual([
    ...['[datastore1] web01_1', '[datastore2] web01_1'],
  ]);
  const arrived = await labVmByMoref(lab, vm?.moref ?? '');
  // It boots here for the first time, and the host does not ask whose UUID it is.
  await arrived.powerOn();
  expect((await lab.methodLog()).filter(({ method }) => method === 'AnswerVM')).toEqual([]);
  expect((await read(arrived.moref))?.uuid).toBe(uuid);
  expect(await (await arrived.guest()).boots()).toBe(1);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

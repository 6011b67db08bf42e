// A VM whose changes lie on a production datastore, and that somebody migrates in the vSphere Client: it goes on there,
// with what its guest wrote, and without the folder of changes, which its configuration does not name any more.
import { expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';
import { prepareVm, SET, VM } from '../e2e/killed-worker.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });

test('its session ends by itself, and leaves nothing but the VM', async () => {
  const { house } = suite;
  await prepareVm(house);
  const session = await house.start(SET, VM, '--changes', 'datastore:datastore2');
  const vm = await house.sessionVm(session);
  await (await vm.guest()).write('from the backup');
  await using vsphere = await connect(house.stack.lab.ready);
  const { datastores } = await vsphere.inventory();
  const datastore = datastores.find(({ name }) => name === 'datastore1')?.moref ?? '';
  await vm.powerOff();
  const diskMoveType = 'moveAllDiskBackingsAndConsolidate';
  await vsphere.relocateVm(vm.moref, { datastore, diskMoveType });
  await vm.powerOn();
  await (await vm.guest()).write('in production');

  const ended = await house.watch(session.sessionId, '--follow');
  expect(ended).toMatchObject({ state: 'finalized', status: 'OK', finalize: { mode: 'byHand' } });
  expect(await leftovers(house.stack, session.sessionId)).toEqual([]);
  const seen = await vsphere.readVm(vm.moref);
  expect(seen?.powerState).toBe('poweredOn');
  expect(seen?.extraConfig).not.toHaveProperty('workingDir');
  await vm.powerOff();
  await vm.powerOn();
  const guest = await vm.guest();
  expect([await guest.boots(), await guest.notes()]).toEqual([3, ['from the backup', 'in production']]);
  await vm.destroy();
});

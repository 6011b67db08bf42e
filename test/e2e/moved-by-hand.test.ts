// A VM that somebody moved to production storage in the vSphere Client is in production: no stop touches it, and
// what is left of its session goes.
import { expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });

test('stop leaves it alone, and cleans up after it', async () => {
  const { house } = suite;
  const { stack } = house;
  const lab = stack.lab.ready;
  const original = await house.createVm('web01');
  await house.backup('nightly', original.folder);
  await original.destroy();
  const session = await house.start('nightly', 'web01', '--no-power-on');
  const vm = await house.sessionVm(session);

  const moved = await lab.moveVm(vm.moref, 'datastore2');
  await vm.powerOn();
  await (await vm.guest()).write('in-production');
  await house.stop(session.sessionId);

  expect((await house.show(session.sessionId)).state).toBe('finalized');
  expect(await (await vm.guest()).notes()).toEqual(['in-production']);
  await using vsphere = await connect(lab);
  const seen = await vsphere.readVm(vm.moref);
  expect(seen?.powerState).toBe('poweredOn');
  expect(seen?.vmPathName).toBe(moved.path);
  expect(seen?.vmPathName).toContain('[datastore2]');
  const left = await leftovers(stack, session.sessionId);
  expect(left.filter((what) => !what.startsWith('VM '))).toEqual([]);
});

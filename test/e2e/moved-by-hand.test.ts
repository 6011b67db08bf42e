// A VM that somebody moved to production storage in the vSphere Client is in production: its session notices, takes
// its marks off it, cleans up after it and ends as finalized. It is never powered off.
import { expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });

test('its session ends by itself, and leaves nothing but the VM', async () => {
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
  // A move alone is looked for once a minute; a change of power is seen at once.
  const ended = await house.watch(session.sessionId, '--follow');

  expect(ended).toMatchObject({
    state: 'finalized',
    status: 'OK',
    finalize: { mode: 'byHand', outcome: 'done' },
  });
  expect(await (await vm.guest()).notes()).toEqual(['in-production']);
  await using vsphere = await connect(lab);
  const seen = await vsphere.readVm(vm.moref);
  expect(seen?.powerState).toBe('poweredOn');
  expect(seen?.vmPathName).toBe(moved.path);
  expect(seen?.vmPathName).toContain('[datastore2]');
  expect(seen?.extraConfig).not.toHaveProperty('uuid.action');
  expect(seen?.annotation).not.toContain('Run Direct');
  expect(await leftovers(stack, session.sessionId)).toEqual([]);
});

import { Command } from 'commander';
import { expect, it } from 'vitest';
import { ClientError } from '../errors/client-error.ts';
import { type LocationOptions, locationOptions, locationRequest, nicOption } from './location-options.ts';

function typed(...args: string[]): LocationOptions & { readonly nic?: unknown } {
  const command = new Command().option('--datastore <name>').addOption(nicOption());
  for (const option of locationOptions()) command.addOption(option);
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  return command.parse(args, { from: 'user' }).opts();
}

it('takes a datastore for all, and others for single disks', () => {
  const typedOptions = typed(
    ...['--datastore', 'vmfs01', '--disk', 'scsi0:1=fast01', '--disk', 'SCSI0:2=a=b', '--overwrite'],
  );
  expect(locationRequest(typedOptions)).toEqual({
    datastore: 'vmfs01',
    disks: [
      { node: 'scsi0:1', datastore: 'fast01' },
      { node: 'scsi0:2', datastore: 'a=b' },
    ],
    overwrite: true,
  });
});

it('takes a network for a card, or none', () => {
  expect(typed('--nic', 'ethernet0=VM Network', '--nic', 'ethernet1=disconnected').nic).toEqual([
    { node: 'ethernet0', network: 'VM Network' },
    { node: 'ethernet1' },
  ]);
});

it.each([
  ['--nic', 'eth0=x'],
  ['--nic', 'ethernet0'],
  ['--nic', 'ethernet0='],
  ['--disk', 'scsi0=x'],
  ['--disk', '=x'],
  ['--location', 'moon'],
])('refuses %s %s', (flag, value) => {
  expect(() => typed(flag, value)).toThrow(flag);
});

it('takes the place of the original, with what that takes', () => {
  expect(
    locationRequest(typed('--location', 'original', '--power-off-original', '--remove-original')),
  ).toEqual({
    ...{ location: 'original', powerOffOriginal: true, removeOriginal: true },
  });
});

it('asks for a place, and for no consent to what is not done', () => {
  expect(() => locationRequest(typed('--overwrite'))).toThrow(ClientError);
  expect(() => locationRequest(typed('--datastore', 'prod', '--remove-original'))).toThrow(
    'go with --location original',
  );
});

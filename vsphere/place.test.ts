// Paths in datastores, whose names people choose.
import { expect, it } from 'vitest';
import { splitPath } from './place.ts';

const names = ['vmfs01', 'fast', 'fast [ssd]', 'fast [ssd] 2', 'vmfs01 (1)', ' speicher ü ', '100%'];

it.each([
  ['[vmfs01] web01/web01.vmx', 'vmfs01', 'web01/web01.vmx'],
  ['[vmfs01 (1)] web01/web01.vmx', 'vmfs01 (1)', 'web01/web01.vmx'],
  ['[fast [ssd]] web01/web01.vmx', 'fast [ssd]', 'web01/web01.vmx'],
  ['[fast [ssd] 2] web01', 'fast [ssd] 2', 'web01'],
  ['[fast] [ssd] web01', 'fast', '[ssd] web01'],
  ['[ speicher ü ] web 01/web 01.vmx', ' speicher ü ', 'web 01/web 01.vmx'],
  ['[100%] web01/', '100%', 'web01'],
  ['[unknown]web01', 'unknown', 'web01'],
])('takes %s apart', (full, datastoreName, path) => {
  expect(splitPath(full, names)).toEqual({ datastoreName, path });
});

it.each([
  '',
  'web01',
  '[vmfs01]',
  '[vmfs01] ',
  '[vmfs01] /',
  '[] web01',
  '[vmfs01] a/../b',
  '[vmfs01] a/ /b',
])('takes "%s" for no path in a datastore', (full) => {
  expect(() => splitPath(full, names)).toThrow('is not a path in a datastore');
});

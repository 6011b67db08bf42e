// A process that backs up one made-up disk and says on standard output how far it is, to be killed by a test.
// Arguments: the vault, the set's key in base64, the disk's size in MiB, and a number that its contents follow.
import { createHash } from 'node:crypto';
import { openVault } from '../index.ts';
import { memorySource } from './memory-source.ts';

const MIB = 1024 * 1024;
const [location = '', key = '', sizeMib = '0', seed = '0'] = process.argv.slice(2);

/** 1 MiB of the disk: noise that follows the seed in every third MiB, the same in all jobs elsewhere. */
export function diskOf(sizeInMib: number, contents: number): Buffer {
  const parts = Array.from({ length: sizeInMib }, (_, i) => {
    const digest = createHash('sha512')
      .update(`${i}/${i % 3 === 0 ? contents : 0}`)
      .digest();
    return Buffer.alloc(MIB, digest);
  });
  return Buffer.concat(parts);
}

if (location !== '') {
  const vault = await openVault(location);
  const set = await vault.openSetWithKey('office', Buffer.from(key, 'base64'));
  const disks = { 'ledger.vmdk': diskOf(Number(sizeMib), Number(seed)) };
  await set.backup([memorySource({ vmName: 'ledger', disks })], {
    onProgress: ({ phase, doneBytes }) => process.stdout.write(`${phase} ${doneBytes}\n`),
  });
  process.stdout.write('done 0\n');
}

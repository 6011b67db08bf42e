// `rundirect restore`: from a backup to production storage, without running from it on the way.
import type { Command } from 'commander';
import type { Act } from '../../act.ts';
import { addRestoreDisk } from './disk.ts';
import { addRestoreVm } from './vm.ts';

export function addRestore(program: Command, act: Act): void {
  const restore = program
    .command('restore')
    .summary('copy a VM, or one disk of it, to production storage')
    .description('Copies what was backed up to production storage, without running it on the way.')
    .addHelpText(
      'after',
      '\nExample (`vm` can be left out; see rundirect restore vm --help):\n' +
        '  $ rundirect restore --vault /backups/vault --set nightly --vm web01 --target esx1.example --user root --datastore vmfs01',
    );
  addRestoreVm(restore, act);
  addRestoreDisk(restore, act);
}

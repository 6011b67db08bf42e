// `rundirect drill`: its commands.
import type { Command } from 'commander';
import type { Act } from '../../act.ts';
import { addDrillList } from './list.ts';
import { addDrillRun } from './run.ts';
import { addDrillSchedule } from './schedule.ts';
import { addDrillShow } from './show.ts';

export function addDrill(program: Command, act: Act): void {
  const drill = program
    .command('drill')
    .summary('prove that VMs come back, in an isolated network')
    .description(
      'A drill runs VMs from their backup in a network without uplink, one after another; waits for each guest, ' +
        'takes a picture of its console, times it, removes all of it, and writes a report. The originals may run ' +
        'meanwhile.',
    );
  addDrillRun(drill, act);
  addDrillList(drill, act);
  addDrillShow(drill, act);
  addDrillSchedule(drill, act);
}

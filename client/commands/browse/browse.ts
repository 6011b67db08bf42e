// `rundirect browse`: a job's disks, published read-only for a person to look for files.
import type { Command } from 'commander';
import type { Act } from '../../act.ts';
import { addBrowseClose } from './close.ts';
import { addBrowseList } from './list.ts';
import { addBrowseOpen } from './open.ts';
import { addBrowseShow } from './show.ts';

export function addBrowse(program: Command, act: Act): void {
  const browse = program
    .command('browse')
    .summary("look for files in a job's disks")
    .description(
      "Publishes a job's disks read-only at the site's gateway, for a Linux machine to mount. Needs no target.\n" +
        'It stays open until it is closed.',
    );
  addBrowseOpen(browse, act);
  addBrowseList(browse, act);
  addBrowseShow(browse, act);
  addBrowseClose(browse, act);
}

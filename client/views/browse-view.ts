// An open browse as a person reads it: where it is, and the commands that mount it and its partitions on Linux.
import type { BrowseExport, BrowseStatus } from '../../contract/index.ts';
import { formatBytes } from '../quantity.ts';
import { shellWord } from './shell-word.ts';
import { facts, printable } from './table.ts';

const address = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** To be run as root, one after another, as far as they are wanted. */
export function mountCommands(browseId: string, exported: BrowseExport): string[] {
  const { host, path, ports, disks } = exported;
  const folder = `/mnt/${browseId}`;
  const options = `ro,vers=3,proto=tcp,nolock,port=${ports.nfs},mountport=${ports.mount},mountproto=tcp`;
  const partitions = disks.flatMap(({ file, partitions: all }, index) =>
    all.flatMap(({ number, offsetBytes, sizeBytes }) => {
      const at = `${folder}-disk${index + 1}-${number}`;
      const loop = `ro,loop,offset=${offsetBytes},sizelimit=${sizeBytes}`;
      return [
        `mkdir -p ${at} && mount -o ${loop} ${shellWord(`${folder}/${file}`)} ${at}  # ${formatBytes(sizeBytes)}`,
      ];
    }),
  );
  return [
    `mkdir -p ${folder} && mount -t nfs -o ${options} ${shellWord(`${address(host)}:${path}`)} ${folder}`,
    ...partitions,
  ];
}

export function browseText(status: BrowseStatus): string {
  const { browseId, site, vmName, backupSet, state, allow, exported } = status;
  const known = facts([
    ['browse', browseId],
    ['state', state],
    ['VM', vmName],
    ['from', exported === undefined ? backupSet : `${backupSet}/${exported.jobId}`],
    ['site', site],
    ['for', allow.join(', ')],
    ['export', exported && `${address(exported.host)}:${exported.path}`],
    ...(exported?.disks ?? []).map(
      ({ file, sizeBytes, partitions }) =>
        ['disk', `${file}, ${formatBytes(sizeBytes)}, ${partitionsText(partitions.length)}`] as const,
    ),
  ]);
  if (exported === undefined || state !== 'open') return known;
  const commands = mountCommands(browseId, exported).map((command) => `  ${printable(command)}`);
  return `${known}\n\nOn a Linux machine, as root:\n${commands.join('\n')}`;
}

const partitionsText = (count: number): string =>
  count === 0 ? 'no partition table that is known' : `${count} partition${count === 1 ? '' : 's'}`;

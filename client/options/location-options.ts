// Where a VM goes, device by device, as it is said on the command line; shared by `start`, `finalize` and `restore`.
import { InvalidArgumentError, Option } from 'commander';
import {
  type CardPlace,
  cardPlaceSchema,
  type DiskPlace,
  diskPlaceSchema,
  type FinalizeRequest,
} from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';

/** In place of a network's name. */
const UNPLUGGED = 'disconnected';

/** What the options of a migration's place leave behind. */
export interface LocationOptions {
  readonly datastore?: string;
  readonly disk?: readonly DiskPlace[];
  readonly location?: 'original';
  readonly original?: string;
  readonly powerOffOriginal?: boolean;
  readonly removeOriginal?: boolean;
  readonly overwrite?: boolean;
}

function split(text: string, example: string): readonly [node: string, place: string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError(`it is written like ${example}`);
}

function disk(text: string, before: readonly DiskPlace[] = []): readonly DiskPlace[] {
  const [node, datastore] = split(text, 'scsi0:0=DATASTORE');
  const parsed = diskPlaceSchema.safeParse({ node: node.toLowerCase(), datastore });
  if (parsed.success) return [...before, parsed.data];
  throw new InvalidArgumentError('it is written like scsi0:0=DATASTORE');
}

function card(text: string, before: readonly CardPlace[] = []): readonly CardPlace[] {
  const [node, network] = split(text, 'ethernet0=NETWORK');
  const place = { node: node.toLowerCase(), ...(network === UNPLUGGED ? {} : { network }) };
  const parsed = cardPlaceSchema.safeParse(place);
  if (parsed.success) return [...before, parsed.data];
  throw new InvalidArgumentError(`it is written like ethernet0=NETWORK, or ethernet0=${UNPLUGGED}`);
}

export const nicOption = (): Option =>
  new Option(
    '--nic <card=network>',
    `put one network card elsewhere; =${UNPLUGGED} unplugs it (repeatable)`,
  ).argParser(card);

export const diskOption = (): Option =>
  new Option('--disk <node=datastore>', 'put one disk elsewhere: scsi0:1=fast01 (repeatable)').argParser(
    disk,
  );

/** Beside `--datastore`, whose words differ. */
export const locationOptions = (): Option[] => [
  diskOption(),
  new Option(
    '--location <place>',
    'original: take folder, pool, host, datastores, networks and name of the VM that was backed up',
  ).choices(['original']),
  new Option(
    '--original <vm>',
    "that VM's name or reference, where the backup knows no UUID or several VMs have it",
  ),
  new Option('--power-off-original', 'consent to power that VM off, where it runs'),
  new Option('--remove-original', 'delete that VM once the new one is proven (default: it is kept, renamed)'),
  new Option('--overwrite', "remove files in the VM's folder-to-be that no VM uses"),
];

/** Throws ClientError Usage where they say no place, or consent to what is not done. */
export function locationRequest(
  options: LocationOptions,
): Pick<
  FinalizeRequest,
  'datastore' | 'disks' | 'location' | 'original' | 'powerOffOriginal' | 'removeOriginal' | 'overwrite'
> {
  const { datastore, disk: disks, location, original, powerOffOriginal, removeOriginal, overwrite } = options;
  if (datastore === undefined && location === undefined) {
    throw new ClientError('Usage', 'say where the VM goes, with --datastore or with --location original');
  }
  const isOfOriginal = original !== undefined || powerOffOriginal === true || removeOriginal === true;
  if (location === undefined && isOfOriginal) {
    throw new ClientError(
      'Usage',
      '--original, --power-off-original and --remove-original go with --location original',
    );
  }
  return {
    ...(datastore === undefined ? {} : { datastore }),
    ...(disks === undefined ? {} : { disks: [...disks] }),
    ...(location === undefined ? {} : { location }),
    ...(original === undefined ? {} : { original }),
    ...(powerOffOriginal === undefined ? {} : { powerOffOriginal }),
    ...(removeOriginal === undefined ? {} : { removeOriginal }),
    ...(overwrite === undefined ? {} : { overwrite }),
  };
}

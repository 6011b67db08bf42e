// Which VM on the target is the original of a backup: told by the UUID of its instance, else by that of its BIOS, which
// a .vmx keeps wherever it goes. A session's own VM, and VMs that were replaced before, have the same ones and are left
// out.
//
// A name tells nothing for sure: a VM that was made anew after a disaster, with data of its own, has the old one's, and
// so may its files. So a VM whose backup knows no UUID is taken for the original only where a person names it, and only
// while each of its disks hangs where the backup has it and is called as it is there.
import path from 'node:path';
import type { OriginMark } from '../../contract/index.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Vm, VmSummary } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';

/** In the name of a VM that was replaced; the session's id follows. */
export const ASIDE = '.replaced-by-';

/** Whose place it is: a session's VM, by its moref once it is registered. */
export interface Successor {
  readonly sessionId: string;
  readonly moref: string | undefined;
  readonly origin: OriginMark | undefined;
  /** As the backup has them: `scsi0:0`, `web01.vmdk`. */
  readonly disks: readonly { readonly node: string | undefined; readonly file: string }[];
}

export interface Recognised {
  readonly vm: VmSummary;
  /** In words: `by the UUID of its instance, …`. */
  readonly by: string;
  /** It is the original only if its disks are the backup's, too; see `differences`. */
  readonly byItsDisks: boolean;
}

const ELSEWHERE =
  'say where the VM goes with --datastore, --host, --folder and --name instead of --location original';

/** Undefined when there is an error among the findings. @param named is the name or the reference that a person gave. */
export function recognise(
  vms: readonly VmSummary[],
  successor: Successor,
  named: string | undefined,
  found: Findings,
): Recognised | undefined {
  const { sessionId, moref } = successor;
  const origin = successor.origin ?? { name: '', uuid: undefined, instanceUuid: undefined };
  const standing = vms.filter(
    (vm) => vm.moref !== moref && !(SESSION_KEY in vm.extraConfig) && !isReplaced(vm, sessionId),
  );
  if (named !== undefined) return byName(standing, origin, named, found);
  if (knowsUuid(origin)) return byUuid(standing, origin, found);
  tellNameless(standing, origin, found);
  return undefined;
}

function byUuid(standing: readonly VmSummary[], origin: OriginMark, found: Findings): Recognised | undefined {
  const { instanceUuid, uuid, name } = origin;
  const [byInstance, ...moreByInstance] = withUuid(standing, 'instanceUuid', instanceUuid);
  if (byInstance !== undefined && moreByInstance.length === 0) return ofInstance(byInstance);
  const byBios = withUuid(standing, 'uuid', uuid);
  const [first] = byBios;
  if (first === undefined) {
    found.error(
      'NotFound',
      `No VM on the target is the original of this backup: none has the UUID ${uuidWords(origin)}. ` +
        ELSEWHERE.replace('say', 'Say'),
    );
    return undefined;
  }
  if (byBios.length === 1) return ofBios(first);
  const [byItsName, ...moreByName] = byBios.filter((vm) => vm.name === name);
  if (byItsName !== undefined && moreByName.length === 0) {
    const by = `by its name and the UUID of its BIOS, ${byItsName.uuid}`;
    return { vm: byItsName, by, byItsDisks: false };
  }
  found.error(
    'OriginalAmbiguous',
    `Several VMs have the UUID of the original, ${first.uuid}: ${names(byBios)}. Say which one with ` +
      `--original ${first.moref}, for one, or ${ELSEWHERE}`,
  );
  return undefined;
}

function byName(
  standing: readonly VmSummary[],
  origin: OriginMark,
  named: string,
  found: Findings,
): Recognised | undefined {
  const meant = standing.filter((vm) => vm.moref === named || vm.name === named);
  const [vm, ...more] = meant;
  if (vm === undefined) {
    found.error('NotFound', `No VM on the target is ${named}, as --original says, or it is a session's own`);
    return undefined;
  }
  if (more.length > 0) {
    found.error(
      'OriginalAmbiguous',
      `Several VMs are called ${named}: ${names(meant)}. Say which one by its reference: --original ${vm.moref}`,
    );
    return undefined;
  }
  if (!knowsUuid(origin)) {
    return { vm, by: 'by the name that was given and by its disks', byItsDisks: true };
  }
  if (withUuid([vm], 'instanceUuid', origin.instanceUuid).length > 0) return ofInstance(vm);
  if (withUuid([vm], 'uuid', origin.uuid).length > 0) return ofBios(vm);
  found.error(
    'NotTheOriginal',
    `${vm.name} (${vm.moref}) is not the original of this backup: it does not have the UUID ${uuidWords(origin)}. ` +
      `Name another one, or ${ELSEWHERE}`,
  );
  return undefined;
}

function tellNameless(standing: readonly VmSummary[], { name }: OriginMark, found: Findings): void {
  const alike = standing.filter((vm) => vm.name === name);
  const hint = alike.length === 0 ? '' : `; called as in the backup is ${names(alike)}`;
  found.error(
    'OriginalUnknown',
    `The backup knows no UUID that its original could be told by${hint}. Say which VM it is with --original NAME, ` +
      `or ${ELSEWHERE}`,
  );
}

/** Why a VM that is to be told by its disks is not the original, in words; undefined where it is. */
export function differences(
  vm: Pick<Vm, 'name' | 'moref' | 'disks'>,
  { disks }: Successor,
): string | undefined {
  const its = wordsOf(disksOf(vm));
  const wanted = wordsOf(disks);
  if (its === wanted && disks.every(({ node }) => node !== undefined)) return undefined;
  return (
    `${vm.name} (${vm.moref}) is not recognised as the original of this backup, which knows no UUID: its disks are ` +
    `${its}, and those of the backup ${wanted}. Name another one with --original, or ${ELSEWHERE}`
  );
}

/** What a VM's disks are called where they were made: below its snapshots. */
export const disksOf = ({ disks }: Pick<Vm, 'disks'>): Successor['disks'] =>
  disks.map(({ node, fileName, parents }) => ({
    node,
    file: path.posix.basename((parents.at(-1) ?? fileName).replace(/^\[.*?\] /, '')),
  }));

const wordsOf = (disks: Successor['disks']): string =>
  disks
    .map(({ node, file }) => `${node ?? '?'} ${file}`)
    .toSorted()
    .join(', ') || 'none';

const knowsUuid = ({ uuid, instanceUuid }: OriginMark): boolean =>
  [uuid, instanceUuid].some((each) => each !== undefined && each !== '');

const uuidWords = ({ uuid, instanceUuid }: OriginMark): string =>
  [instanceUuid, uuid].filter((each) => each !== undefined && each !== '').join(' or ');

const names = (vms: readonly VmSummary[]): string =>
  vms.map(({ name, moref }) => `${name} (${moref})`).join(', ');

const ofInstance = (vm: VmSummary): Recognised => ({
  ...{ vm, by: `by the UUID of its instance, ${vm.instanceUuid}`, byItsDisks: false },
});
const ofBios = (vm: VmSummary): Recognised => ({
  ...{ vm, by: `by the UUID of its BIOS, ${vm.uuid}`, byItsDisks: false },
});

const withUuid = (
  vms: readonly VmSummary[],
  of: 'uuid' | 'instanceUuid',
  wanted: string | undefined,
): readonly VmSummary[] =>
  wanted === undefined || wanted === ''
    ? []
    : vms.filter((vm) => vm[of].toLowerCase() === wanted.toLowerCase());

/** Set aside by another session; one that this session could not give back is the original still. */
const isReplaced = ({ name }: VmSummary, sessionId: string): boolean =>
  name.includes(ASIDE) && !name.endsWith(`${ASIDE}${sessionId}`);

// Where `[datastore] folder/file` is. Calls on files name a datacenter beside the path, `/folder` names it by its
// path in the inventory; a host has one alone, so callers leave it out unless two datacenters use one name.
import { VsphereError } from './errors.ts';
import { decodeName } from './names.ts';
import { listAll, readObject } from './property-collector.ts';
import type { ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { CallOptions } from './types.ts';

/** An inventory is not deeper than this. */
const MAX_DEPTH = 64;

export interface Place {
  readonly datastore: ManagedObjectReference;
  readonly datastoreName: string;
  readonly browser: ManagedObjectReference | undefined;
  readonly datacenter: ManagedObjectReference;
  /** Inside the datastore, without a slash at either end. */
  readonly path: string;
  /** `[datastore] path` */
  readonly full: string;
}

/**
 * Takes `[datastore] path` apart and finds its datastore. Throws `InvalidInput` for what is no such path, leads out
 * of its datastore, names the whole of it, or has a name that several datacenters use; `NotFound`.
 */
export async function locate(
  session: Session,
  full: string,
  options: CallOptions & { readonly datacenter?: string | undefined } = {},
): Promise<Place> {
  // What is no path whatever the datastores are called is not asked about.
  splitPath(full, []);
  const datacenters = await listAll(session, 'Datacenter', ['datastore'], options);
  const datastores = await listAll(session, 'Datastore', ['name', 'browser'], options);
  const names = datastores.map(({ read }) => decodeName(read.name ?? ''));
  const { datastoreName, path } = splitPath(full, names);
  const found = datastores
    .filter(({ read }) => decodeName(read.name ?? '') === datastoreName)
    .flatMap(({ ref, read }) => {
      const datacenter = datacenters.find((each) =>
        each.read.datastore?.some(({ value }) => value === ref.value),
      )?.ref;
      const isAsked = options.datacenter === undefined || datacenter?.value === options.datacenter;
      return datacenter !== undefined && isAsked ? [{ ref, browser: read.browser, datacenter }] : [];
    });
  const [one, another] = found;
  if (one === undefined) {
    throw new VsphereError(
      'NotFound',
      `${session.address} has no datastore ${datastoreName}, as in ${full}.`,
    );
  }
  if (another !== undefined) {
    throw new VsphereError(
      'InvalidInput',
      `${session.address} has ${found.length} datastores ${datastoreName}, as in ${full}, in several datacenters, and can't tell which is meant. Rename one of them.`,
    );
  }
  const { ref: datastore, browser, datacenter } = one;
  return { datastore, datastoreName, browser, datacenter, path, full: `[${datastoreName}] ${path}` };
}

/**
 * Throws `InvalidInput`.
 * @param names are those of the datastores that there are: where a name has a bracket, they alone say where it ends.
 */
export function splitPath(
  full: string,
  names: readonly string[],
): { readonly datastoreName: string; readonly path: string } {
  const [known] = names
    .filter((name) => full.startsWith(`[${name}]`))
    .sort((one, other) => other.length - one.length);
  const datastoreName = known ?? /^\[([^\]]+)\]/.exec(full)?.[1];
  const inside = /^ ?(.+)$/.exec(full.slice(`[${datastoreName ?? ''}]`.length))?.[1];
  const path = inside?.replace(/^\/+|\/+$/g, '') ?? '';
  // Blanks stand for nothing at a host: `[datastore] ` is the whole datastore, and deleting that is never meant.
  const leadsAstray = path.split('/').some((each) => ['', '.', '..'].includes(each.trim()));
  if (datastoreName === undefined || leadsAstray) {
    throw new VsphereError(
      'InvalidInput',
      `"${full}" is not a path in a datastore: give it as "[datastore] folder/file".`,
    );
  }
  return { datastoreName, path };
}

/** The path of a file under `/folder`, by names from the root folder down to the datacenter. */
export function folderUrl(
  { datastoreName, path }: Pick<Place, 'datastoreName' | 'path'>,
  datacenterPath: string,
): string {
  const query = new URLSearchParams({ dcPath: datacenterPath, dsName: datastoreName });
  return `/folder/${path.split('/').map(encodeURIComponent).join('/')}?${query.toString()}`;
}

/** The datacenter that an object is in, or is, and the names from the root folder down to it. */
export async function datacenterAbove(
  session: Session,
  from: ManagedObjectReference | undefined,
  options: CallOptions,
): Promise<{ readonly ref: ManagedObjectReference; readonly path: string } | undefined> {
  let next = from;
  let datacenter: ManagedObjectReference | undefined;
  const names: string[] = [];
  for (let depth = 0; next !== undefined && depth < MAX_DEPTH; depth++) {
    const { type, value } = next;
    if (type === 'Datacenter') datacenter = next;
    const above = await readAbove(session, type === 'Datacenter' ? 'Datacenter' : 'Folder', value, options);
    // The root folder, which has no parent, is not named in a path.
    if (datacenter !== undefined && above?.parent !== undefined) names.unshift(above.name ?? '');
    next = above?.parent;
  }
  return datacenter === undefined ? undefined : { ref: datacenter, path: names.join('/') };
}

async function readAbove(
  session: Session,
  type: 'Datacenter' | 'Folder',
  value: string,
  options: CallOptions,
) {
  return (await readObject(session, { type, value }, ['name', 'parent'], options))?.read;
}

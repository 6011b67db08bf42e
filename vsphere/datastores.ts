// Mounting and unmounting of NFS datastores. A host answers much the same whether a datastore is there from
// an earlier try, from somebody else, or under another name; so each call looks first and compares after.
import { VsphereError } from './errors.ts';
import { DATASTORE_PATHS, datastoreOf } from './inventory.ts';
import { decodeName } from './names.ts';
import { listAll, readObject } from './property-collector.ts';
import type { ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import type { CallOptions, Datastore, NasDatastoreSpec } from './types.ts';

/** A host waits long for an NFS server that does not answer. */
const MOUNT_TIMEOUT_MS = 300_000;

export async function createNasDatastore(
  session: Session,
  host: string,
  spec: NasDatastoreSpec,
  options: CallOptions = {},
): Promise<string> {
  const standing = await findStanding(session, host, spec, options);
  if (standing !== undefined) return standing;
  try {
    const made = await callCreate(session, host, spec, options);
    await assertNamed(session, host, spec, made, options);
    return made;
  } catch (error) {
    if (!isCode(error, 'NameTaken', 'AlreadyExists')) throw error;
    // Somebody was faster, or the host has the export under another name: what stands there decides.
    const other = await findStanding(session, host, spec, options);
    if (other !== undefined) return other;
    throw error;
  }
}

export async function repeatNasDatastore(
  session: Session,
  host: string,
  spec: NasDatastoreSpec,
  options: CallOptions = {},
): Promise<{ readonly fault: string | undefined }> {
  let fault: string | undefined;
  try {
    const made = await callCreate(session, host, spec, options);
    await assertNamed(session, host, spec, made, options);
  } catch (error) {
    if (!isCode(error, 'NameTaken', 'AlreadyExists')) throw error;
    fault = (error as VsphereError).fault;
  }
  if ((await findStanding(session, host, spec, options)) !== undefined) return { fault };
  throw conflict(host, spec, 'the host refuses it as a second one, and shows no first');
}

async function callCreate(
  session: Session,
  host: string,
  spec: NasDatastoreSpec,
  options: CallOptions,
): Promise<string> {
  const system = await datastoreSystem(session, host, options);
  const { remoteHost, remotePath, name: localPath } = spec;
  const made = await session.call(
    'CreateNasDatastore',
    system,
    { spec: { remoteHost, remotePath, localPath, accessMode: 'readWrite', type: 'NFS' } },
    { ...options, answerWithinMs: MOUNT_TIMEOUT_MS },
  );
  if (made !== undefined) return made.value;
  throw new VsphereError('Unexpected', `CreateNasDatastore on ${host} made nothing.`);
}

export async function removeDatastore(
  session: Session,
  host: string,
  nameOrMoref: string,
  options: CallOptions = {},
): Promise<void> {
  const mounted = await mountedOn(session, host, options);
  const datastore = mounted.find((each) => each.name === nameOrMoref || each.moref === nameOrMoref);
  if (datastore === undefined) return;
  const system = await datastoreSystem(session, host, options);
  try {
    const reference = { type: 'Datastore', value: datastore.moref };
    await session.call(
      'RemoveDatastore',
      system,
      { datastore: reference },
      { ...options, answerWithinMs: MOUNT_TIMEOUT_MS },
    );
  } catch (error) {
    if (!isCode(error, 'NotFound')) throw error;
  }
}

/** A vCenter renames a datastore whose name is taken in its datacenter; paths with our name would miss it. */
async function assertNamed(
  session: Session,
  host: string,
  spec: NasDatastoreSpec,
  made: string,
  options: CallOptions,
): Promise<void> {
  const found = await readObject(session, { type: 'Datastore', value: made }, ['name'], options);
  const name = found?.read.name;
  if (name === undefined || decodeName(name) === spec.name) return;
  await removeDatastore(session, host, made, options);
  throw conflict(
    host,
    spec,
    `the name is taken in the datacenter, so the target called it ${decodeName(name)}`,
  );
}

/** The datastore that is what `spec` asks for. Throws `DatastoreConflict` when its name stands for another. */
async function findStanding(
  session: Session,
  host: string,
  spec: NasDatastoreSpec,
  options: CallOptions,
): Promise<string | undefined> {
  const mounted = await mountedOn(session, host, options);
  const named = mounted.find((each) => each.name === spec.name);
  if (named !== undefined) {
    if (isBackedBy(named, spec)) return named.moref;
    throw conflict(host, spec, `the name stands for ${describe(named)}`);
  }
  const sameBacking = mounted.find((each) => isBackedBy(each, spec));
  if (sameBacking === undefined) return undefined;
  const way = `Rename datastore ${sameBacking.name} to ${spec.name}, or unmount it.`;
  throw conflict(host, spec, `it is mounted as ${sameBacking.name} already`, way);
}

function isBackedBy(datastore: Datastore, spec: NasDatastoreSpec): boolean {
  return datastore.nas?.remoteHost === spec.remoteHost && datastore.nas.remotePath === spec.remotePath;
}

function describe(datastore: Datastore): string {
  const { nas } = datastore;
  return nas === undefined ? `a ${datastore.type} datastore` : `${nas.remoteHost}:${nas.remotePath}`;
}

function conflict(
  host: string,
  spec: NasDatastoreSpec,
  why: string,
  way = 'Unmount that one, or use another name.',
): VsphereError {
  return new VsphereError(
    'DatastoreConflict',
    `${spec.remoteHost}:${spec.remotePath} can't be mounted on ${host} as datastore ${spec.name}: ${why}. ${way}`,
  );
}

async function mountedOn(
  session: Session,
  host: string,
  options: CallOptions,
): Promise<readonly Datastore[]> {
  const found = await readObject(session, { type: 'HostSystem', value: host }, ['datastore'], options);
  if (found === undefined) throw noSuchHost(session, host);
  const mounted = new Set((found.read.datastore ?? []).map((each) => each.value));
  const all = await listAll(session, 'Datastore', DATASTORE_PATHS, options);
  return all.filter(({ ref }) => mounted.has(ref.value)).map(datastoreOf);
}

async function datastoreSystem(
  session: Session,
  host: string,
  options: CallOptions,
): Promise<ManagedObjectReference> {
  const ref = { type: 'HostSystem', value: host } as const;
  const found = await readObject(session, ref, ['configManager.datastoreSystem'], options);
  const system = found?.read['configManager.datastoreSystem'];
  if (system === undefined) throw noSuchHost(session, host);
  return system;
}

function noSuchHost(session: Session, host: string): VsphereError {
  return new VsphereError(
    'NotFound',
    `${session.address} has no host ${host}, or the account may not see how it is configured.`,
  );
}

function isCode(error: unknown, ...codes: readonly VsphereError['code'][]): boolean {
  return error instanceof VsphereError && codes.includes(error.code);
}

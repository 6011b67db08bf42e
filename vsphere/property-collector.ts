// Reading state: many objects page by page through a ContainerView, one object at once, and changes as they
// happen through WaitForUpdatesEx, so that nothing is polled. What the server keeps for us (views, collectors)
// is destroyed when done: a vCenter limits them, and a forgotten one costs it memory until the logout.
import { VsphereError } from './errors.ts';
import { decodeProperty } from './schema/decode.ts';
import { isAtLeast } from './schema/version.ts';
import {
  type ManagedObjectReference,
  type MissingProperty,
  type ObjectContent,
  type ObjectSpec,
  type Properties,
  type PropertyFilterSpec,
  properties,
  type RetrieveResult,
  type UpdateSet,
} from './schema/vim25.ts';
import { type Invoke, type Session } from './session.ts';
import { errorOfFault, NOT_AUTHENTICATED } from './soap/fault.ts';
import type { XmlElement } from './soap/parse.ts';
import type { CallOptions } from './types.ts';

/** VMs with their configuration are some 50 KB each: a page stays well below the limit of an answer. */
const PAGE_OBJECTS = 200;
/** How long the server holds a call that has nothing to tell; below what proxies cut off. */
const WAIT_SECONDS = 30;
const WAIT_MARGIN_MS = 30_000;
const DESTROY_TIMEOUT_MS = 10_000;

export type ObjectType = keyof Properties;
export type Path<T extends ObjectType> = keyof Properties[T] & string;
/** Any property may be absent: unset, unknown to the server's version, or not ours to see. */
export type Read<T extends ObjectType, P extends Path<T>> = Partial<Pick<Properties[T], P>>;

export interface Found<T extends ObjectType, P extends Path<T>> {
  readonly ref: ManagedObjectReference;
  readonly read: Read<T, P>;
  /** Why a property is absent, where the server said so: the vim25 name of the fault by path. */
  readonly missing: ReadonlyMap<string, string>;
}

interface Page<T extends ObjectType, P extends Path<T>> {
  readonly found: readonly Found<T, P>[];
  /** Of the next page, if there is one. */
  readonly token: string | undefined;
}

export interface ListOptions extends CallOptions {
  /** How many objects come with one answer; for tests, which have few. */
  readonly pageObjects?: number;
}

/** Every object of a type that the account can see, a page at a time. */
export async function* listObjects<T extends ObjectType, P extends Path<T>>(
  session: Session,
  type: T,
  paths: readonly P[],
  options: ListOptions = {},
): AsyncGenerator<readonly Found<T, P>[]> {
  const { propertyCollector } = session.content;
  const { view, first } = await session.repeatable((invoke) =>
    openList(session, invoke, type, paths, options),
  );
  let page = first;
  try {
    for (;;) {
      yield page.found;
      const { token } = page;
      if (token === undefined) return;
      const next = await session.call('ContinueRetrievePropertiesEx', propertyCollector, { token }, options);
      page = pageOf(type, paths, next);
    }
  } finally {
    const { token } = page;
    if (token !== undefined) {
      await tidy(session.call('CancelRetrievePropertiesEx', propertyCollector, { token }, TIDY));
    }
    await tidy(session.call('DestroyView', view, {}, TIDY));
  }
}

/** All of `listObjects` at once, for what is few: hosts, datastores, folders. */
export async function listAll<T extends ObjectType, P extends Path<T>>(
  session: Session,
  type: T,
  paths: readonly P[],
  options: CallOptions = {},
): Promise<readonly Found<T, P>[]> {
  const all: Found<T, P>[] = [];
  for await (const page of listObjects(session, type, paths, options)) all.push(...page);
  return all;
}

/** One object; undefined when it is gone. */
export async function readObject<T extends ObjectType, P extends Path<T>>(
  session: Session,
  ref: ManagedObjectReference & { readonly type: T },
  paths: readonly P[],
  options: CallOptions = {},
): Promise<Found<T, P> | undefined> {
  const specSet = [filterSpec(session, ref.type, paths, { obj: ref })];
  const parameters = { specSet, options: {} };
  const { propertyCollector } = session.content;
  try {
    return await session.repeatable(async (invoke) => {
      const result = await invoke('RetrievePropertiesEx', propertyCollector, parameters, options);
      const object = result?.objects[0];
      return object === undefined ? undefined : found(ref.type, paths, object);
    });
  } catch (error) {
    if (error instanceof VsphereError && error.fault === 'ManagedObjectNotFound') return undefined;
    throw error;
  }
}

export interface WatchOptions extends CallOptions {
  /** For ever when absent. */
  readonly timeoutMs?: number;
}

/**
 * Calls `visit` with an object's properties now and after each change, until it answers something, and
 * returns that; undefined when the time is up. Throws `NotFound` when the object goes away, `Cancelled`.
 */
export async function watchObject<T extends ObjectType, P extends Path<T>, R>(
  session: Session,
  ref: ManagedObjectReference & { readonly type: T },
  paths: readonly P[],
  options: WatchOptions,
  visit: (read: Read<T, P>) => R | undefined,
): Promise<R | undefined> {
  const deadline = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  return session.repeatable(async (invoke) => {
    const { propertyCollector } = session.content;
    // A collector of its own: its updates are nobody else's, and destroying it ends a wait in flight.
    const collector = await invoke('CreatePropertyCollector', propertyCollector, {}, options);
    if (collector === undefined) throw gone(ref);
    try {
      const spec = filterSpec(session, ref.type, paths, { obj: ref });
      await invoke('CreateFilter', collector, { spec, partialUpdates: false }, options);
      return await followUpdates(invoke, collector, ref, paths, { ...options, deadline }, visit);
    } finally {
      await tidy(invoke('DestroyPropertyCollector', collector, {}, TIDY));
    }
  });
}

async function followUpdates<T extends ObjectType, P extends Path<T>, R>(
  invoke: Invoke,
  collector: ManagedObjectReference,
  ref: ManagedObjectReference & { readonly type: T },
  paths: readonly P[],
  options: CallOptions & { readonly deadline: number },
  visit: (read: Read<T, P>) => R | undefined,
): Promise<R | undefined> {
  const state = new Map<string, unknown>();
  let version = '';
  for (;;) {
    const remainingMs = options.deadline - performance.now();
    if (remainingMs <= 0 && version !== '') return undefined;
    const maxWaitSeconds = Math.max(0, Math.min(WAIT_SECONDS, Math.ceil(remainingMs / 1000)));
    const update = await invoke(
      'WaitForUpdatesEx',
      collector,
      { version, options: { maxWaitSeconds } },
      { signal: options.signal, answerWithinMs: WAIT_SECONDS * 1000 + WAIT_MARGIN_MS },
    );
    if (update === undefined) {
      if (version === '') throw gone(ref);
      continue;
    }
    version = update.version;
    applyUpdate(ref, paths, state, update);
    if (update.truncated === true) continue;
    const answer = visit(Object.fromEntries(state) as Read<T, P>);
    if (answer !== undefined) return answer;
  }
}

function applyUpdate(
  ref: ManagedObjectReference & { readonly type: ObjectType },
  paths: readonly string[],
  state: Map<string, unknown>,
  update: UpdateSet,
): void {
  for (const filter of update.filterSet ?? []) {
    if (filter.missingSet !== undefined && filter.missingSet.length > 0) throw gone(ref);
    for (const object of filter.objectSet ?? []) {
      if (object.kind === 'leave') throw gone(ref);
      missingOf(ref.type, object.missingSet ?? []);
      for (const change of object.changeSet ?? []) {
        if (!paths.includes(change.name)) continue;
        const removed = change.op === 'remove' || change.op === 'indirectRemove';
        if (removed || change.val === undefined) state.delete(change.name);
        else state.set(change.name, decodePath(ref.type, change.name, change.val as XmlElement));
      }
    }
  }
}

async function openList<T extends ObjectType, P extends Path<T>>(
  session: Session,
  invoke: Invoke,
  type: T,
  paths: readonly P[],
  options: ListOptions,
): Promise<{ readonly view: ManagedObjectReference; readonly first: Page<T, P> }> {
  const { viewManager, rootFolder, propertyCollector } = session.content;
  if (viewManager === undefined) {
    throw new VsphereError(
      'NotSupported',
      `${session.address} has no ViewManager, so nothing can be listed.`,
    );
  }
  const create = { container: rootFolder, type: [type], recursive: true };
  const view = await invoke('CreateContainerView', viewManager, create, options);
  if (view === undefined) throw new VsphereError('Unexpected', `${session.address} made no ContainerView.`);
  const specSet = [
    filterSpec(session, type, paths, {
      obj: view,
      skip: true,
      selectSet: [{ $type: 'TraversalSpec', type: 'ContainerView', path: 'view', skip: false }],
    }),
  ];
  const first = await invoke(
    'RetrievePropertiesEx',
    propertyCollector,
    { specSet, options: { maxObjects: options.pageObjects ?? PAGE_OBJECTS } },
    options,
  );
  return { view, first: pageOf(type, paths, first) };
}

/** Found inside `repeatable`, so that a session that ended is renewed. */
function pageOf<T extends ObjectType, P extends Path<T>>(
  type: T,
  paths: readonly P[],
  result: RetrieveResult | undefined,
): Page<T, P> {
  return { found: (result?.objects ?? []).map((each) => found(type, paths, each)), token: result?.token };
}

/** Asks only for what the server's version knows: one unknown path fails the whole call. */
function filterSpec<T extends ObjectType>(
  session: Session,
  type: T,
  paths: readonly Path<T>[],
  object: ObjectSpec,
): PropertyFilterSpec {
  const pathSet = paths.filter((path) => {
    const since = properties[type].find((field) => field.name === path)?.since;
    return since === undefined || isAtLeast(session.version, since);
  });
  return { propSet: [{ type, pathSet }], objectSet: [object] };
}

function found<T extends ObjectType, P extends Path<T>>(
  type: T,
  paths: readonly P[],
  object: ObjectContent,
): Found<T, P> {
  const read: Record<string, unknown> = {};
  for (const { name, val } of object.propSet ?? []) {
    if ((paths as readonly string[]).includes(name)) read[name] = decodePath(type, name, val as XmlElement);
  }
  const missing = missingOf(type, object.missingSet ?? []);
  return { ref: object.obj, read: read as Read<T, P>, missing };
}

/** A session that ended shows here too, as if each property were forbidden. Throws what makes it be renewed. */
function missingOf(type: ObjectType, missing: readonly MissingProperty[]): ReadonlyMap<string, string> {
  const faults = new Map<string, string>(
    missing.map(({ path, fault }) => [path, fault.fault.$type ?? 'MethodFault']),
  );
  if ([...faults.values()].includes(NOT_AUTHENTICATED)) {
    throw errorOfFault(NOT_AUTHENTICATED, 'the session has ended', `Reading properties of ${type}`);
  }
  return faults;
}

function decodePath(type: ObjectType, path: string, value: XmlElement): unknown {
  const field = properties[type].find((each) => each.name === path);
  if (field === undefined)
    throw new VsphereError('Unexpected', `${type} has no property ${path} in the table.`);
  return decodeProperty(field, value);
}

function gone(ref: ManagedObjectReference): VsphereError {
  return errorOfFault(
    'ManagedObjectNotFound',
    'it is not there, or not there any more',
    `Watching ${ref.type} ${ref.value}`,
  );
}

const TIDY = { answerWithinMs: DESTROY_TIMEOUT_MS };

/** What can't be destroyed now goes with the session; the work itself is done, or failed for its own reason. */
async function tidy(destroying: Promise<unknown>): Promise<void> {
  await destroying.catch((error: unknown) => {
    if (!(error instanceof VsphereError)) throw error;
  });
}

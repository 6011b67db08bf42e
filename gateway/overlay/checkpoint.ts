// A checkpoint is the state of an overlay's tree at some point of its log, so that opening it reads that and
// replays what came after, instead of everything. One file, `checkpoint`, replaced atomically:
//
//   0   8 bytes 'RDOVCKP1'   8  32 bytes salt   40  zeros up to 64
//   64  frames: a head (JSON: version, where the log stood, counters, log files), inodes (JSON arrays), pieces of page
//       tables (file, count, then per chunk its number and 256 locations, f64), and an end (JSON: how many of each)
//
// It is written while writes go on. What it holds of later ones is replayed once more and ends the same (tree.ts).
import { type KeyObject, randomBytes } from 'node:crypto';
import { type LogEnd } from './log.ts';
import { diskFull, isDiskFull, OverlayError } from './overlay-error.ts';
import { CHUNK_PAGES } from './page-table.ts';
import { fileKey, frameBytes, frameHeader, openFrame, SALT_BYTES, sealFrame } from './seal.ts';
import { type Storage, type StorageFile } from './storage.ts';
import { type Child, type InodeRecord, recordOfInode, type Tree } from './tree.ts';

const CHECKPOINT_NAME = 'checkpoint';
const NEW_NAME = 'checkpoint.new';
const MAGIC = Buffer.from('RDOVCKP1');
const PREAMBLE_BYTES = 64;
const FORMAT_VERSION = 1;
const CHUNK_BYTES = 8 * (1 + CHUNK_PAGES);
const PIECE_CHUNKS = 256;
const INODES_PER_FRAME = 500;

interface Head {
  readonly version: number;
  readonly end: LogEnd;
  readonly nextId: number;
  readonly nextCookie: number;
  readonly segments: readonly (readonly [number, number])[];
}

interface SavedInode {
  readonly inode: InodeRecord;
  readonly parent: number;
  readonly children: readonly (readonly [string, Child])[];
}

type Part =
  | { readonly kind: 'head'; readonly head: Head }
  | { readonly kind: 'inodes'; readonly inodes: readonly SavedInode[] }
  | { readonly kind: 'pages'; readonly fileId: number; readonly chunks: Buffer }
  | { readonly kind: 'end'; readonly frames: number };

const KINDS = ['head', 'inodes', 'pages', 'end'] as const;

/** What a checkpoint says about the log; the tree was filled on the way. */
export interface LoadedCheckpoint {
  readonly end: LogEnd;
  readonly segments: readonly (readonly [number, number])[];
  readonly bytes: number;
}

/**
 * Writes the tree's state, durable and in place on return. Answers its size in bytes. Throws OverlayError NoSpace on a disk
 * that is full, and leaves the room that is left there to the writes.
 */
export async function writeCheckpoint(
  storage: Storage,
  overlayKey: Uint8Array,
  tree: Tree,
  end: LogEnd,
  segments: readonly (readonly [number, number])[],
): Promise<number> {
  await removeLeftover(storage);
  try {
    const bytes = await writeNew(storage, overlayKey, parts(tree, end, segments));
    await storage.rename(NEW_NAME, CHECKPOINT_NAME);
    await storage.syncNames();
    return bytes;
  } catch (error) {
    await removeLeftover(storage).catch(() => undefined);
    throw isDiskFull(error) ? diskFull(storage.path, error) : error;
  }
}

async function writeNew(storage: Storage, overlayKey: Uint8Array, all: Iterable<Part>): Promise<number> {
  const file = await storage.open(NEW_NAME, 'create');
  try {
    const bytes = await writeParts(file, overlayKey, all);
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

async function removeLeftover(storage: Storage): Promise<void> {
  const files = await storage.list();
  if (files.some(({ name }) => name === NEW_NAME)) await storage.remove(NEW_NAME);
}

async function writeParts(file: StorageFile, overlayKey: Uint8Array, all: Iterable<Part>): Promise<number> {
  const salt = randomBytes(SALT_BYTES);
  const key = fileKey(overlayKey, salt, CHECKPOINT_NAME);
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  MAGIC.copy(preamble);
  salt.copy(preamble, MAGIC.byteLength);
  await file.write(0, preamble);
  let offset = PREAMBLE_BYTES;
  for (const part of all) {
    const body = encodePart(part);
    const frame = Buffer.allocUnsafe(frameBytes(body.byteLength));
    sealFrame(key, offset, 0, [body], frame, 0);
    await file.write(offset, frame);
    offset += frame.byteLength;
  }
  return offset;
}

function* parts(tree: Tree, end: LogEnd, segments: Head['segments']): Generator<Part> {
  let frames = 1;
  const { nextId, nextCookie } = tree;
  yield { kind: 'head', head: { version: FORMAT_VERSION, end, nextId, nextCookie, segments } };
  const inodes = [...tree.inodes.values()];
  for (let at = 0; at < inodes.length; at += INODES_PER_FRAME) {
    const saved = inodes.slice(at, at + INODES_PER_FRAME).map((inode) => ({
      inode: recordOfInode(inode),
      parent: inode.parent,
      children: [...inode.children],
    }));
    yield { kind: 'inodes', inodes: saved };
    frames += 1;
  }
  for (const inode of inodes) {
    for (const chunks of piecesOf(inode.pages.chunks())) {
      yield { kind: 'pages', fileId: inode.id, chunks };
      frames += 1;
    }
  }
  yield { kind: 'end', frames };
}

function* piecesOf(chunks: Iterable<[number, Float64Array]>): Generator<Buffer> {
  let pieces: Buffer[] = [];
  for (const [number, locations] of chunks) {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    chunk.writeDoubleLE(number, 0);
    Buffer.from(locations.buffer, locations.byteOffset, locations.byteLength).copy(chunk, 8);
    pieces.push(chunk);
    if (pieces.length < PIECE_CHUNKS) continue;
    yield Buffer.concat(pieces);
    pieces = [];
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

function encodePart(part: Part): Buffer {
  const head = Buffer.alloc(8);
  head[0] = KINDS.indexOf(part.kind);
  switch (part.kind) {
    case 'head':
      return Buffer.concat([head, Buffer.from(JSON.stringify(part.head))]);
    case 'inodes':
      return Buffer.concat([head, Buffer.from(JSON.stringify(part.inodes))]);
    case 'pages':
      head.writeUInt32BE(part.fileId, 4);
      return Buffer.concat([head, part.chunks]);
    case 'end':
      head.writeUInt32BE(part.frames, 4);
      return head;
  }
}

function decodePart(body: Buffer): Part {
  const kind = KINDS[body[0] ?? KINDS.length];
  const rest = body.subarray(8);
  switch (kind) {
    case 'head':
      return { kind, head: JSON.parse(rest.toString()) as Head };
    case 'inodes':
      return { kind, inodes: JSON.parse(rest.toString()) as SavedInode[] };
    case 'pages':
      return { kind, fileId: body.readUInt32BE(4), chunks: rest };
    case 'end':
      return { kind, frames: body.readUInt32BE(4) };
    case undefined:
    default:
      throw new Error(`no part of kind ${body[0] ?? 'none'}`);
  }
}

/** Fills an empty tree from the checkpoint; undefined when there is none. Throws OverlayError Corrupt. */
export async function loadCheckpoint(
  storage: Storage,
  overlayKey: Uint8Array,
  tree: Tree,
): Promise<LoadedCheckpoint | undefined> {
  await removeLeftover(storage);
  const files = await storage.list();
  const found = files.find(({ name }) => name === CHECKPOINT_NAME);
  if (found === undefined) return undefined;
  const file = await storage.open(CHECKPOINT_NAME, 'read');
  try {
    const head = await readParts(storage, file, overlayKey, tree);
    tree.nextId = Math.max(tree.nextId, head.nextId);
    tree.nextCookie = Math.max(tree.nextCookie, head.nextCookie);
    return { end: head.end, segments: head.segments, bytes: found.sizeBytes };
  } finally {
    await file.close();
  }
}

async function readParts(
  storage: Storage,
  file: StorageFile,
  overlayKey: Uint8Array,
  tree: Tree,
): Promise<Head> {
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  await file.read(0, preamble);
  if (!preamble.subarray(0, MAGIC.byteLength).equals(MAGIC)) throw damaged(storage, 0);
  const salt = preamble.subarray(MAGIC.byteLength, MAGIC.byteLength + SALT_BYTES);
  const key = fileKey(overlayKey, salt, CHECKPOINT_NAME);
  let head: Head | undefined;
  let offset = PREAMBLE_BYTES;
  for (let frames = 0; ; frames++) {
    const { body, bytes } = await readFrame(storage, file, key, offset);
    offset += bytes;
    const part = decodePart(body);
    if (part.kind === 'end') {
      if (head === undefined || part.frames !== frames) throw damaged(storage, offset);
      return head;
    }
    if (part.kind === 'head') head = checkedHead(storage, part.head);
    else restorePart(tree, part);
  }
}

function checkedHead(storage: Storage, head: Head): Head {
  if (head.version === FORMAT_VERSION) return head;
  throw new OverlayError(
    'Corrupt',
    `${storage.path}/${CHECKPOINT_NAME} has format ${head.version}; this gateway knows ${FORMAT_VERSION}. Run the gateway that wrote it.`,
  );
}

function restorePart(tree: Tree, part: Extract<Part, { kind: 'inodes' | 'pages' }>): void {
  if (part.kind === 'inodes') {
    for (const { inode, parent, children } of part.inodes) tree.restore(inode, parent, children);
    return;
  }
  const pages = tree.inodes.get(part.fileId)?.pages;
  for (let at = 0; at < part.chunks.byteLength; at += CHUNK_BYTES) {
    const locations = new Float64Array(CHUNK_PAGES);
    part.chunks.copy(Buffer.from(locations.buffer), 0, at + 8, at + CHUNK_BYTES);
    pages?.putChunk(part.chunks.readDoubleLE(at), locations);
  }
}

async function readFrame(
  storage: Storage,
  file: StorageFile,
  key: KeyObject,
  offset: number,
): Promise<{ body: Buffer; bytes: number }> {
  const start = Buffer.alloc(PREAMBLE_BYTES);
  const read = await file.read(offset, start);
  const header = frameHeader(start.subarray(0, read), 0);
  const bytes = header && frameBytes(header.bodyBytes);
  if (bytes === undefined || offset + bytes > (await file.size())) throw damaged(storage, offset);
  const frame = Buffer.allocUnsafe(bytes);
  await file.read(offset, frame);
  const body = openFrame(key, offset, frame, 0);
  if (body === undefined) throw damaged(storage, offset);
  return { body, bytes };
}

function damaged(storage: Storage, offsetBytes: number): OverlayError {
  return new OverlayError(
    'Corrupt',
    `${storage.path}/${CHECKPOINT_NAME} is damaged at byte ${offsetBytes}, or the key is another overlay’s. It is not ` +
      'served, so that nothing is silently lost. Restore the file from a copy, or stop the session to discard its changes.',
  );
}

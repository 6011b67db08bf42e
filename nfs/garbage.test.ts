// Whatever a peer sends, the server answers or closes that connection, and goes on serving the others.
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createArgs,
  dirOp,
  Nfs3Peer,
  readArgs,
  readdirArgs,
  renameArgs,
  truncateArgs,
  UNCHANGED,
  writeArgs,
} from './testing/nfs3-peer.ts';
import { type RunningServer, runServer } from './testing/running-server.ts';
import { type Encode, encodeBytes } from './xdr/writer.ts';

const NFS = 100003;
const MOUNT = 100005;
const REPLY_LIMIT_MS = 5_000;

/** One call of each procedure, with arguments that work. */
function wellFormedCalls(root: Buffer, file: Buffer): Buffer[] {
  const handle: Encode = (args) => args.opaque(file);
  const named = dirOp(root, 'new');
  const nfs: [number, Encode][] = [
    [0, () => undefined],
    [1, handle],
    [2, truncateArgs(file, 10)],
    [3, dirOp(root, 'file')],
    [4, join(handle, words(0x3f))],
    [5, handle],
    [6, readArgs(file, 0, 4096)],
    [7, writeArgs(file, 0, Buffer.alloc(500, 1))],
    [8, createArgs(root, 'created')],
    [8, createArgs(root, 'lock', Buffer.alloc(8, 1))],
    [9, join(named, UNCHANGED)],
    [10, join(dirOp(root, 'link'), UNCHANGED, (args) => args.string('target'))],
    [11, join(named, words(1))],
    [12, dirOp(root, 'created')],
    [13, named],
    [14, renameArgs(root, 'link', root, 'renamed')],
    [15, join(handle, dirOp(root, 'hard'))],
    [16, readdirArgs(root, 0, 4096)],
    [17, readdirArgs(root, 0, 4096, 4096)],
    [18, handle],
    [19, handle],
    [20, handle],
    [21, join(handle, words(0, 0, 0))],
    [99, handle],
  ];
  const mount: [number, Encode][] = [0, 1, 2, 3, 4, 5].map((number) => [
    number,
    (args) => args.string('/memory'),
  ]);
  return [
    ...nfs.map(([procedure, args]) => callBytes(NFS, 3, procedure, args)),
    ...mount.map(([procedure, args]) => callBytes(MOUNT, 3, procedure, args)),
  ];
}

function join(...parts: Encode[]): Encode {
  return (args) => parts.forEach((part) => part(args));
}

function words(...values: number[]): Encode {
  return (args) => values.forEach((value) => args.uint32(value));
}

/** An RPC call without its record mark, with AUTH_SYS credentials of root. */
function callBytes(
  program: number,
  version: number,
  procedure: number,
  args: Encode,
  rpcVersion = 2,
): Buffer {
  return encodeBytes((writer) => {
    words(42, 0, rpcVersion, program, version, procedure, 1, 24, 0, 4)(writer);
    writer.fixedOpaque(Buffer.from('test'));
    words(0, 0, 0, 0, 0)(writer);
    args(writer);
  });
}

function asRecord(bytes: Uint8Array): Buffer {
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE(0x8000_0000 + bytes.length);
  return Buffer.concat([mark, bytes]);
}

/** Sends bytes on a connection of their own, then ends it. What came back; fails unless the server closes in time. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(REPLY_LIMIT_MS, () => {
      socket.destroy();
      reject(new Error(`neither answered nor closed: ${bytes.toString('hex')}`));
    });
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    socket.on('error', () => undefined); // a reset is a way to close
    socket.on('close', () => resolve(Buffer.concat(pieces)));
    socket.end(bytes);
  });
}

/** The words of a reply after its record mark and xid. */
async function replyTo(port: number, call: Buffer): Promise<number[]> {
  const reply = await exchange(port, asRecord(call));
  return Array.from({ length: (reply.length - 8) / 4 }, (_, word) => reply.readUInt32BE(8 + 4 * word));
}

describe('a peer that sends garbage', () => {
  let running: RunningServer;
  let calls: Buffer[];
  beforeAll(async () => {
    running = await runServer();
    using peer = await Nfs3Peer.connect(running.port);
    const root = Buffer.from(await peer.mount('/memory'));
    calls = wellFormedCalls(root, Buffer.from(await peer.create(root, 'file')));
  });
  afterAll(async () => running[Symbol.asyncDispose]());

  const stillServes = async (): Promise<void> => {
    using peer = await Nfs3Peer.connect(running.port);
    await peer.call('NULL', () => undefined);
  };

  test('is told what RFC 5531 has for it', async () => {
    const none: Encode = () => undefined;
    const accepted = [1, 0, 0, 0];
    expect(await replyTo(running.port, callBytes(NFS, 3, 0, none))).toEqual([...accepted, 0]);
    expect(await replyTo(running.port, callBytes(100021, 4, 0, none))).toEqual([...accepted, 1]);
    expect(await replyTo(running.port, callBytes(NFS, 4, 0, none))).toEqual([...accepted, 2, 3, 3]);
    expect(await replyTo(running.port, callBytes(NFS, 3, 22, none))).toEqual([...accepted, 3]);
    expect(await replyTo(running.port, callBytes(NFS, 3, 1, none))).toEqual([...accepted, 4]);
    expect(await replyTo(running.port, callBytes(NFS, 3, 0, none, 3))).toEqual([1, 1, 0, 2, 2]);
    const kerberos = encodeBytes(words(42, 0, 2, NFS, 3, 0, 6, 0, 0, 0));
    expect(await replyTo(running.port, kerberos)).toEqual([1, 1, 1, 1]);
  });

  test('gets an answer to each call of a procedure, cut anywhere', async () => {
    for (const call of calls) {
      for (let length = 0; length < call.length; length += 4 + (length % 3)) {
        await exchange(running.port, asRecord(call.subarray(0, length)));
      }
    }
    await stillServes();
  });

  test('gets an answer to, or is cut off after, any flipped bits', async () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.nat(), flips, async (which, places) => {
        const bytes = Buffer.from(calls[which % calls.length] ?? Buffer.alloc(0));
        for (const [at, bit] of places)
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << bit);
        await exchange(running.port, asRecord(bytes));
      }),
      { numRuns: 600 },
    );
    await stillServes();
  });

  test('is cut off or answered for any bytes at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, isRecord) => {
        await exchange(running.port, isRecord ? asRecord(bytes) : Buffer.from(bytes));
      }),
      { numRuns: 200 },
    );
    await stillServes();
  });

  test('leaves no bug in the log', () => {
    expect(running.errors).toEqual([]);
  });
});

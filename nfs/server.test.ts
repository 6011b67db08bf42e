import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Nfs3Status } from './file-system.ts';
import { silentLog } from './log.ts';
import { servePortmap } from './portmap/server.ts';
import { RpcClient } from './rpc/client.ts';
import { startNfsServer } from './server.ts';
import { MemoryFileSystem, type MemoryNode } from './testing/memory-file-system.ts';
import {
  createArgs,
  dirOp,
  Nfs3Peer,
  readdirArgs,
  readPostOp,
  readWcc,
  renameArgs,
  truncateArgs,
  UNCHANGED,
  writeArgs,
} from './testing/nfs3-peer.ts';
import { Gate, runServer } from './testing/running-server.ts';
import { encodeBytes, type XdrWriter } from './xdr/writer.ts';

const LOCK = Buffer.alloc(84, 'l');

/** A file system whose reads, writes and removals wait at a gate. */
class GatedFileSystem extends MemoryFileSystem {
  readonly gate = new Gate();
  override read(node: MemoryNode, offset: number, count: number): never {
    return this.gate.hold(() => super.read(node, offset, count)) as never;
  }
  override write(node: MemoryNode, offset: number, bytes: Uint8Array): never {
    return this.gate.hold(() => super.write(node, offset, bytes)) as never;
  }
  override remove(directory: MemoryNode, name: string): never {
    return this.gate.hold(() => super.remove(directory, name)) as never;
  }
}

describe('what ESXi does with its lock files', () => {
  test('takes a lock exclusively, writes 84 bytes, renews and releases it', async () => {
    await using running = await runServer();
    using mine = await Nfs3Peer.connect(running.port);
    using other = await Nfs3Peer.connect(running.port);
    const root = await mine.mount('/memory');
    const lock = await mine.create(root, '.lck-0100', Buffer.from('host-one'));
    expect(await mine.create(root, '.lck-0100', Buffer.from('host-one'))).toEqual(lock);
    const taken = createArgs(root, '.lck-0100', Buffer.from('host-two'));
    expect(await other.status('CREATE', taken)).toBe(Nfs3Status.EXIST);
    for (let beat = 0; beat < 3; beat += 1)
      expect(await mine.status('WRITE', writeArgs(lock, 0, LOCK))).toBe(0);
    expect((await other.read(lock)).bytes).toEqual(LOCK);
    expect(await mine.status('REMOVE', dirOp(root, '.lck-0100'))).toBe(0);
    expect(await other.status('GETATTR', (args) => args.opaque(lock))).toBe(Nfs3Status.STALE);
  });

  test('of two hosts that take over a stale lock, one passes the guard', async () => {
    await using running = await runServer();
    using one = await Nfs3Peer.connect(running.port);
    using two = await Nfs3Peer.connect(running.port);
    const root = await one.mount('/memory');
    const lock = await one.create(root, 'lock');
    const { ctime } = await two.getattr(lock);
    const statuses = await Promise.all(
      [one, two].map((host) => host.status('SETATTR', truncateArgs(lock, 0, ctime))),
    );
    expect(statuses.sort((a, b) => a - b)).toEqual([Nfs3Status.OK, Nfs3Status.NOT_SYNC]);
  });

  test('replaces a file by a rename under its readers', async () => {
    await using running = await runServer();
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    await peer.create(root, 'vm.vmx');
    const fresh = await peer.create(root, 'vm.vmx~');
    await peer.status('WRITE', writeArgs(fresh, 0, Buffer.from('new')));
    const reply = await peer.call('RENAME', renameArgs(root, 'vm.vmx~', root, 'vm.vmx'));
    expect(reply.uint32()).toBe(0);
    const [from, to] = [readWcc(reply), readWcc(reply)];
    expect(from).toEqual(to);
    expect(from.before?.mtime).not.toEqual(from.after?.mtime);
    const found = await peer.call('LOOKUP', dirOp(root, 'vm.vmx'));
    expect(found.uint32()).toBe(0);
    expect(found.opaque(64)).toEqual(fresh);
  });
});

describe('a call that is sent again', () => {
  test('after its answer was lost is answered as before, from another connection too', async () => {
    await using running = await runServer();
    const root = await firstMount(running.port);
    const calls = [
      { name: 'CREATE', args: createArgs(root, 'a') },
      { name: 'MKDIR', args: withUnchanged(root, 'd') },
      { name: 'RENAME', args: renameArgs(root, 'a', root, 'b') },
      { name: 'REMOVE', args: dirOp(root, 'b') },
      { name: 'RMDIR', args: dirOp(root, 'd') },
    ];
    for (const [index, { name, args }] of calls.entries()) {
      for (let transmission = 0; transmission < 3; transmission += 1) {
        using peer = await Nfs3Peer.connect(running.port);
        expect([name, await peer.status(name, args, 1000 + index)]).toEqual([name, Nfs3Status.OK]);
      }
    }
    expect(running.server.stats().duplicates).toBe(2 * calls.length);
    using peer = await Nfs3Peer.connect(running.port);
    expect(await peer.status('REMOVE', dirOp(root, 'b'), 2000)).toBe(Nfs3Status.NOENT);
    expect(await peer.status('REMOVE', dirOp(root, 'c'), 1003)).toBe(Nfs3Status.NOENT);
  });

  test('is not taken for the call of another host behind the same address', async () => {
    await using running = await runServer();
    using one = await Nfs3Peer.connect(running.port, 0, 'esx-one');
    using two = await Nfs3Peer.connect(running.port, 0, 'esx-two');
    const root = Buffer.from(await one.mount('/memory'));
    expect(await one.status('CREATE', createArgs(root, 'a'), 5)).toBe(Nfs3Status.OK);
    expect(await two.status('CREATE', createArgs(root, 'a'), 5)).toBe(Nfs3Status.EXIST);
  });

  test('while it runs, runs once and is answered twice', async () => {
    const fileSystem = new GatedFileSystem();
    await using running = await runServer(fileSystem);
    using first = await Nfs3Peer.connect(running.port);
    using second = await Nfs3Peer.connect(running.port);
    const root = await first.mount('/memory');
    await first.create(root, 'a');
    const answers = [
      first.status('REMOVE', dirOp(root, 'a'), 77),
      second.status('REMOVE', dirOp(root, 'a'), 77),
    ];
    await second.call('NULL', () => undefined); // the second transmission has arrived before this one
    await fileSystem.gate.waitFor(1);
    fileSystem.gate.open();
    expect(await Promise.all(answers)).toEqual([Nfs3Status.OK, Nfs3Status.OK]);
    expect(fileSystem.gate.count).toBe(0);
  });
});

describe('calls on one connection', () => {
  test('run side by side, and are answered as they complete', async () => {
    const fileSystem = new GatedFileSystem();
    await using running = await runServer(fileSystem);
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    await peer.status('SETATTR', truncateArgs(file, 8));
    const order: string[] = [];
    const reads = ['first', 'second'].map((name, index) =>
      peer.read(file, index * 4, 4).then(() => order.push(name)),
    );
    await fileSystem.gate.waitFor(2);
    expect(running.server.stats().callsInFlight).toBe(2);
    await peer.getattr(file);
    fileSystem.gate.open(1);
    await reads[1];
    fileSystem.gate.open();
    await Promise.all(reads);
    expect(order).toEqual(['second', 'first']);
  });

  test('are read no further than what may be in flight', async () => {
    const fileSystem = new GatedFileSystem();
    await using running = await runServer(fileSystem);
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    await peer.status('SETATTR', truncateArgs(file, 4096));
    const reads = Array.from({ length: 600 }, () => peer.read(file, 0, 4096));
    await fileSystem.gate.waitFor(256);
    using other = await Nfs3Peer.connect(running.port);
    await other.getattr(file); // others are served meanwhile
    expect(fileSystem.gate.count).toBe(256);
    const settled = Promise.all(reads);
    while (running.server.stats().callsInFlight > 0) {
      fileSystem.gate.open();
      await other.getattr(file);
    }
    expect((await settled).every(({ bytes }) => bytes.length === 4096)).toBe(true);
  });

  test('wait for a client that does not read its replies', async () => {
    await using running = await runServer();
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    await peer.status('SETATTR', truncateArgs(file, 1024 * 1024));
    const before = running.server.stats().calls['READ'] ?? 0;
    const slow = await Nfs3Peer.connect(running.port);
    slow.stopReading();
    for (let call = 0; call < 200; call += 1) void slow.read(file, 0, 1024 * 1024).catch(() => undefined);
    await expect.poll(() => running.server.stats().calls['READ'] ?? 0).toBeGreaterThan(before);
    for (let round = 0; round < 20; round += 1) await peer.getattr(file);
    expect((running.server.stats().calls['READ'] ?? 0) - before).toBeLessThan(100);
    slow[Symbol.dispose]();
  });

  test('in flight when the server closes are answered first', async () => {
    const fileSystem = new GatedFileSystem();
    const running = await runServer(fileSystem);
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    const write = peer.status('WRITE', writeArgs(file, 0, LOCK));
    await fileSystem.gate.waitFor(1);
    const closed = running.server.close();
    fileSystem.gate.open();
    expect(await write).toBe(Nfs3Status.OK);
    await closed;
    await expect(Nfs3Peer.connect(running.port)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('results', () => {
  test('tell the attributes before a change only when nothing else changed the file meanwhile', async () => {
    const fileSystem = new GatedFileSystem();
    await using running = await runServer(fileSystem);
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    const wccOf = async (offset: number) => {
      const reply = await peer.call('WRITE', writeArgs(file, offset, LOCK));
      expect(reply.uint32()).toBe(0);
      return readWcc(reply);
    };
    const both = [wccOf(0), wccOf(84)];
    await fileSystem.gate.waitFor(2);
    fileSystem.gate.open();
    for (const wcc of await Promise.all(both)) {
      expect(wcc.before).toBeUndefined();
      expect(wcc.after).toBeDefined();
    }
    const alone = wccOf(168);
    await fileSystem.gate.waitFor(1);
    fileSystem.gate.open();
    expect(await alone).toMatchObject({ before: { sizeBytes: 168 }, after: { sizeBytes: 252 } });
  });

  test('of reads across the end are exact', async () => {
    await using running = await runServer();
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    await peer.status('WRITE', writeArgs(file, 0, Buffer.alloc(5000, 7)));
    expect(await peer.read(file, 4096, 4096)).toEqual({ bytes: Buffer.alloc(904, 7), eof: true });
    expect(await peer.read(file, 0, 4999)).toEqual({ bytes: Buffer.alloc(4999, 7), eof: false });
    expect(await peer.read(file, 0, 5000)).toEqual({ bytes: Buffer.alloc(5000, 7), eof: true });
    expect(await peer.read(file, 2 ** 50, 10)).toEqual({ bytes: Buffer.alloc(0), eof: true });
    const beyond = (args: XdrWriter) => {
      args.opaque(file);
      for (const word of [0xffff_ffff, 0xffff_ffff, 10]) args.uint32(word);
    };
    const reply = await peer.call('READ', beyond);
    expect([reply.uint32(), readPostOp(reply)?.sizeBytes, reply.uint32(), reply.boolean()]).toEqual([
      0,
      5000,
      0,
      true,
    ]);
  });

  test('of listings fit into what the client takes, or are TOOSMALL', async () => {
    await using running = await runServer();
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const names = Array.from({ length: 50 }, (_, index) => `file-${index}-${'x'.repeat(index)}`);
    for (const name of names) await peer.create(root, name);
    expect(await peer.status('READDIR', readdirArgs(root, 0, 64))).toBe(Nfs3Status.TOOSMALL);
    expect(await peer.status('READDIRPLUS', readdirArgs(root, 0, 64, 64))).toBe(Nfs3Status.TOOSMALL);
    for (const countBytes of [300, 1000, 65536]) {
      const seen: string[] = [];
      let cookie = 0;
      for (let eof = false; !eof; ) {
        const reply = await peer.call('READDIR', readdirArgs(root, cookie, countBytes));
        expect(reply.rest().length).toBeLessThanOrEqual(countBytes);
        expect(reply.uint32()).toBe(0);
        readPostOp(reply);
        reply.fixedOpaque(8);
        while (reply.boolean()) {
          reply.uint64();
          seen.push(reply.opaque(255).toString());
          cookie = reply.uint64();
        }
        eof = reply.boolean();
      }
      expect(seen).toEqual(['.', '..', ...names]);
    }
    const strange = (args: XdrWriter) => {
      args.opaque(root);
      args.uint64(3);
      args.fixedOpaque(Buffer.from('elsewhere').subarray(0, 8));
      args.uint32(4096);
    };
    expect(await peer.status('READDIR', strange)).toBe(Nfs3Status.BAD_COOKIE);
  });

  test('of ACCESS grant root everything, and others what the permission bits say', async () => {
    await using running = await runServer();
    using root = await Nfs3Peer.connect(running.port);
    using user = await Nfs3Peer.connect(running.port, 1000);
    const directory = await root.mount('/memory'); // 0755
    const file = await root.create(directory, 'a'); // 0644
    const granted = async (peer: Nfs3Peer, handle: Buffer) => {
      const reply = await peer.call('ACCESS', (args) => {
        args.opaque(handle);
        args.uint32(0x3f);
      });
      expect(reply.uint32()).toBe(0);
      readPostOp(reply);
      return reply.uint32();
    };
    expect([await granted(root, directory), await granted(root, file)]).toEqual([0x1f, 0x2d]);
    expect([await granted(user, directory), await granted(user, file)]).toEqual([0x03, 0x01]);
  });

  test('name what is wrong with a name', async () => {
    await using running = await runServer();
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    expect(await peer.status('LOOKUP', dirOp(root, 'x'.repeat(256)))).toBe(Nfs3Status.NAMETOOLONG);
    for (const name of ['', 'a/b', 'a\0b'])
      expect(await peer.status('LOOKUP', dirOp(root, name))).toBe(Nfs3Status.INVAL);
    expect(await peer.status('CREATE', createArgs(root, '..'))).toBe(Nfs3Status.EXIST);
    expect(await peer.status('REMOVE', dirOp(root, '.'))).toBe(Nfs3Status.INVAL);
    const huge = await peer.create(root, 'huge');
    expect(await peer.status('SETATTR', truncateArgs(huge, 2 ** 60))).toBe(Nfs3Status.FBIG);
  });

  test('of a file system that is full are NOSPC', async () => {
    await using running = await runServer(new MemoryFileSystem({ totalBytes: 4096 }));
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    const file = await peer.create(root, 'a');
    expect(await peer.status('WRITE', writeArgs(file, 0, Buffer.alloc(4097)))).toBe(Nfs3Status.NOSPC);
    expect(await peer.status('WRITE', writeArgs(file, 0, Buffer.alloc(4096)))).toBe(Nfs3Status.OK);
  });

  test('of a bug in the file system are SERVERFAULT, and in the log', async () => {
    class Broken extends MemoryFileSystem {
      override lookup(): never {
        throw new TypeError('a bug');
      }
      override remove(): never {
        return Promise.reject(new TypeError('a later bug')) as never;
      }
    }
    await using running = await runServer(new Broken());
    using peer = await Nfs3Peer.connect(running.port);
    const root = await peer.mount('/memory');
    expect(await peer.status('LOOKUP', dirOp(root, 'a'))).toBe(Nfs3Status.SERVERFAULT);
    expect(await peer.status('REMOVE', dirOp(root, 'a'))).toBe(Nfs3Status.SERVERFAULT);
    expect(running.errors).toHaveLength(2);
  });
});

describe('MOUNT', () => {
  test('gives out roots, tells who mounts, and lists what is mounted', async () => {
    const mounted: string[] = [];
    const onMount = (path: string, caller: { address: string }) => mounted.push(`${caller.address}:${path}`);
    await using running = await runServer(undefined, { onMount });
    using peer = await Nfs3Peer.connect(running.port);
    expect(await peer.mount('//memory/')).toEqual(await peer.mount('/memory'));
    await expect(peer.mount('/none')).rejects.toThrow(String(Nfs3Status.NOENT));
    expect(mounted).toEqual(['127.0.0.1:/memory', '127.0.0.1:/memory']);
    const dump = await peer.mountCall(2, () => undefined);
    expect([
      dump.boolean(),
      dump.opaque(255).toString(),
      dump.opaque(1024).toString(),
      dump.boolean(),
    ]).toEqual([true, '127.0.0.1', '/memory', false]);
    await peer.mountCall(3, (args) => args.string('/memory'));
    expect(running.server.stats().mounts).toEqual([]);
  });

  test('refuses a host that is not allowed, which then has no use for a handle either', async () => {
    await using running = await runServer(new MemoryFileSystem({ refusedAddresses: ['127.0.0.1'] }));
    using peer = await Nfs3Peer.connect(running.port);
    await expect(peer.mount('/memory')).rejects.toThrow(String(Nfs3Status.ACCES));
    expect(await peer.status('GETATTR', (args) => args.opaque(Buffer.alloc(16)))).toBe(Nfs3Status.ACCES);
  });
});

describe('ports', () => {
  const fileSystem = new MemoryFileSystem();
  const host = '127.0.0.1';

  test('that are taken are named, with the way out', async () => {
    await using blocker = createServer().listen(0, host);
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as { port: number };
    const start = startNfsServer({ fileSystem, host, ports: { nfs: port, mount: port, portmap: 'off' } });
    await expect(start).rejects.toMatchObject({
      code: 'PortInUse',
      message: expect.stringContaining(`${port}`) as string,
    });
    const noPortmapper = startNfsServer({ fileSystem, host, ports: { nfs: 0, mount: 0, portmap: port } });
    blocker.on('connection', (socket) => socket.destroy());
    await expect(noPortmapper).rejects.toMatchObject({ code: 'PortInUse' });
  });

  test('can be three different ones, which the portmapper tells', async () => {
    await using probe = createServer().listen(0, host);
    await new Promise((resolve) => probe.once('listening', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    await using server = await startNfsServer({
      fileSystem,
      host,
      ports: { nfs: 0, mount: port, portmap: 0 },
    });
    expect(new Set(Object.values(server.ports)).size).toBe(3);
    expect(await getport(server.ports.portmap ?? 0, 100003)).toBe(server.ports.nfs);
    expect(await getport(server.ports.portmap ?? 0, 100005)).toBe(server.ports.mount);
    expect(await getport(server.ports.portmap ?? 0, 100021)).toBe(0); // no lock manager
  });

  test('are told over UDP too, and by GETADDR of rpcbind', async () => {
    await using server = await startNfsServer({ fileSystem, host, ports: { nfs: 0, mount: 0, portmap: 0 } });
    const { nfs, portmap = 0 } = server.ports;
    const socket = createSocket('udp4');
    const reply = new Promise<Buffer>((resolve) => socket.once('message', resolve));
    socket.send(Buffer.from('not a call'), portmap, host);
    const words = [9, 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100003, 3, 6, 0];
    socket.send(
      encodeBytes((call) => words.forEach((word) => call.uint32(word))),
      portmap,
      host,
    );
    expect((await reply).readUInt32BE(24)).toBe(nfs);
    socket.close();

    using client = await RpcClient.connect(host, portmap);
    const getaddr = async (program: number, netid: string) => {
      const found = await client.call({ program: 100000, version: 4, procedure: 3 }, (args) => {
        args.uint32(program);
        args.uint32(3);
        for (const text of [netid, '', '']) args.string(text);
      });
      return found.opaque(100).toString();
    };
    expect(await getaddr(100003, 'tcp')).toBe(`127.0.0.1.${nfs >> 8}.${nfs & 255}`);
    expect(await getaddr(100003, 'udp')).toBe('');
    expect(await getaddr(100021, 'tcp')).toBe('');
  });

  test('are registered with a portmapper that runs, and taken back at the end', async () => {
    const portmapper = await servePortmap({ host, port: 0, mappings: [], log: silentLog });
    try {
      const ports = { nfs: 0, mount: 0, portmap: portmapper.port };
      const first = await startNfsServer({ fileSystem, host, ports });
      expect(await getport(portmapper.port, 100003)).toBe(first.ports.nfs);
      await expect(startNfsServer({ fileSystem, host, ports })).rejects.toMatchObject({ code: 'PortInUse' });
      await first.close();
      expect(await getport(portmapper.port, 100003)).toBe(0);

      // What a server that was killed left behind.
      using client = await RpcClient.connect(host, portmapper.port);
      const stale = (args: { uint32(word: number): void }) =>
        [100003, 3, 6, 1].forEach((word) => args.uint32(word));
      await client.call({ program: 100000, version: 2, procedure: 1 }, stale);
      await using second = await startNfsServer({ fileSystem, host, ports });
      expect(await getport(portmapper.port, 100003)).toBe(second.ports.nfs);
    } finally {
      await portmapper.close();
    }
  });

  test('are closed again when a later one can not be had', async () => {
    await using running = await runServer();
    const ports = { nfs: 0, mount: running.port, portmap: 'off' } as const;
    await expect(startNfsServer({ fileSystem, host, ports })).rejects.toMatchObject({ code: 'PortInUse' });
    expect(running.server.stats().connections).toBe(0);
  });

  test('take a bounded number of connections from one peer', async () => {
    await using running = await runServer();
    const sockets = Array.from({ length: 70 }, () => connect(running.port, host));
    for (const socket of sockets) socket.on('error', () => undefined);
    await expect.poll(() => sockets.filter((socket) => socket.closed).length).toBe(6);
    expect(running.server.stats().connections).toBe(64);
    for (const socket of sockets) socket.destroy();
  });

  test('stay open for others when a peer breaks off', async () => {
    await using running = await runServer();
    const socket = connect(running.port, host);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(running.warnings).toEqual(['Connection closed: not a client of this server']);
    using peer = await Nfs3Peer.connect(running.port);
    expect(await peer.mount('/memory')).toBeDefined();
  });
});

async function firstMount(port: number): Promise<Buffer> {
  using peer = await Nfs3Peer.connect(port);
  return Buffer.from(await peer.mount('/memory'));
}

function withUnchanged(directory: Buffer, name: string): ReturnType<typeof dirOp> {
  return (args) => {
    dirOp(directory, name)(args);
    UNCHANGED(args);
  };
}

/** PMAPPROC_GETPORT for version 3 over TCP. */
async function getport(portmapPort: number, program: number): Promise<number> {
  using client = await RpcClient.connect('127.0.0.1', portmapPort);
  const target = { program: 100000, version: 2, procedure: 3 };
  const reply = await client.call(target, (args) => {
    for (const word of [program, 3, 6, 0]) args.uint32(word);
  });
  return reply.uint32();
}

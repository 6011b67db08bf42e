// Registers NFS and MOUNT with the portmapper that already runs on this machine (rpcbind, as a rule): RFC 1833,
// section 3. What a crashed server left registered is replaced; a server that lives is not. rpcbind believes only
// root, or who may use ports below 1024. A portmapper that is restarted forgets us: then this server has to be
// restarted too.
import { type Log } from '../log.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { RpcClient } from '../rpc/client.ts';
import { type Encode } from '../xdr/writer.ts';
import { type Mapping, PORTMAP_PROGRAM, PORTMAP_V2 } from './mappings.ts';
import { type Portmapper } from './server.ts';

const LOCALHOST = '127.0.0.1';

const NULL = 0;
const SET = 1;
const UNSET = 2;
const GETPORT = 3;

/** Whether a portmapper answers on that port of this machine. */
export async function answersPortmap(port: number): Promise<boolean> {
  return await answersNull(port, { program: PORTMAP_PROGRAM, version: PORTMAP_V2 });
}

/**
 * Registers the mappings with the portmapper on that port of this machine; `close` takes them back.
 * Throws NfsServerError: PortmapUnavailable when none answers, PortInUse when another server that lives is
 * registered, PortmapRefused when the portmapper does not want ours.
 */
export async function registerWithPortmap(
  port: number,
  mappings: readonly Mapping[],
  log: Log,
): Promise<Portmapper> {
  using portmapper = await connectTo(port);
  const registered: Mapping[] = [];
  try {
    for (const mapping of mappings) {
      await register(portmapper, port, mapping);
      registered.push(mapping);
    }
  } catch (error) {
    await unregister(portmapper, registered);
    throw error;
  }
  const close = async (): Promise<void> => {
    try {
      using client = await connectTo(port);
      await unregister(client, mappings);
    } catch (error) {
      log.warn({ err: error, port }, 'The portmapper could not be told that this server stopped');
    }
  };
  return { port, close };
}

async function connectTo(port: number): Promise<RpcClient> {
  try {
    return await RpcClient.connect(LOCALHOST, port, 'reserved');
  } catch (error) {
    throw new NfsServerError(
      'PortmapUnavailable',
      `No portmapper answers on ${LOCALHOST} port ${port}: start rpcbind, or let this server answer that port itself.`,
      { cause: error },
    );
  }
}

async function register(portmapper: RpcClient, port: number, mapping: Mapping): Promise<void> {
  const { program, version } = mapping;
  const existing = await ask(portmapper, GETPORT, { ...mapping, port: 0 });
  if (existing !== 0 && existing !== mapping.port) {
    if (await answersNull(existing, mapping)) {
      throw new NfsServerError(
        'PortInUse',
        `Another server answers RPC program ${program} version ${version} on port ${existing} and is registered with the portmapper on port ${port}. Find it with \`ss -ltnp 'sport = :${existing}'\` and stop it (often the kernel's: \`systemctl stop nfs-server\`).`,
      );
    }
    await ask(portmapper, UNSET, mapping);
  }
  if ((await ask(portmapper, SET, mapping)) === 1) return;
  throw new NfsServerError(
    'PortmapRefused',
    `The portmapper on port ${port} refused to register RPC program ${program} version ${version} on port ${mapping.port}: it takes registrations from root or from ports below 1024 only (capability CAP_NET_BIND_SERVICE). Or stop it (\`systemctl stop rpcbind.socket rpcbind\`): then this server answers port ${port} itself.`,
  );
}

async function unregister(portmapper: RpcClient, mappings: readonly Mapping[]): Promise<void> {
  for (const mapping of mappings) await ask(portmapper, UNSET, mapping);
}

/** All of version 2's procedures that are used here take a mapping and answer with one word. */
async function ask(portmapper: RpcClient, procedure: number, mapping: Mapping): Promise<number> {
  const target = { program: PORTMAP_PROGRAM, version: PORTMAP_V2, procedure };
  return (await portmapper.call(target, encodeMapping(mapping))).uint32();
}

function encodeMapping({ program, version, protocol, port }: Mapping): Encode {
  return (args) => {
    for (const word of [program, version, protocol, port]) args.uint32(word);
  };
}

async function answersNull(port: number, of: { program: number; version: number }): Promise<boolean> {
  try {
    using client = await RpcClient.connect(LOCALHOST, port);
    await client.call({ ...of, procedure: NULL }, () => undefined);
    return true;
  } catch {
    return false; // whatever it is that listens there, it does not answer this program
  }
}

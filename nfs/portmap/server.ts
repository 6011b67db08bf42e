// The portmapper that ESXi asks on port 111 where NFS and MOUNT are: over TCP, and over UDP for clients that ask so.
import { type Log } from '../log.ts';
import { listenForDatagrams } from '../rpc/datagram-server.ts';
import { type RpcProgram } from '../rpc/program.ts';
import { RpcServer } from '../rpc/server.ts';
import {
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Mapping,
  PORTMAP_PROGRAM,
  PORTMAP_V2,
  PortMappings,
} from './mappings.ts';
import { portmap2Procedures } from './portmap2.ts';
import { rpcbindProcedures } from './rpcbind.ts';

const RPCBIND_VERSIONS = [3, 4];
const MAX_RECORD_BYTES = 4096;

export interface Portmapper {
  readonly port: number;
  close(): Promise<void>;
}

export interface PortmapperOptions {
  readonly host: string;
  readonly port: number;
  readonly mappings: readonly Mapping[];
  readonly log: Log;
}

/** Throws NfsServerError PortInUse or AddressUnavailable. */
export async function servePortmap(options: PortmapperOptions): Promise<Portmapper> {
  const { host, log } = options;
  const programs: RpcProgram[] = [];
  const common = { host, programs, log, purpose: 'The portmapper', maxRecordBytes: MAX_RECORD_BYTES };
  const tcp = await RpcServer.listen({ ...common, port: options.port });
  // Known only now: a portmapper lists itself, and its port may have been 0. Nobody was let in yet.
  programs.push(portmapProgram([...options.mappings, ...ownMappings(tcp.port)]));
  try {
    const closeDatagrams = await listenForDatagrams({ ...common, port: tcp.port });
    return {
      port: tcp.port,
      close: async () => {
        await Promise.all([tcp.close(), closeDatagrams()]);
      },
    };
  } catch (error) {
    await tcp.close();
    throw error;
  }
}

function ownMappings(port: number): Mapping[] {
  return [IPPROTO_TCP, IPPROTO_UDP].map((protocol) => ({
    program: PORTMAP_PROGRAM,
    version: PORTMAP_V2,
    protocol,
    port,
  }));
}

function portmapProgram(own: readonly Mapping[]): RpcProgram {
  const mappings = new PortMappings(own);
  const rpcbind = rpcbindProcedures(mappings);
  return {
    program: PORTMAP_PROGRAM,
    versions: new Map([
      [PORTMAP_V2, portmap2Procedures(mappings)],
      ...RPCBIND_VERSIONS.map((version) => [version, rpcbind] as const),
    ]),
  };
}

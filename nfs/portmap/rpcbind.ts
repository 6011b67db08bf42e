// rpcbind versions 3 and 4, as far as finding a program goes: RFC 1833, section 2. Registering is version 2's affair.
import { isIPv6 } from 'node:net';
import { type RpcCall, type RpcProcedure } from '../rpc/program.ts';
import { IPPROTO_TCP, IPPROTO_UDP, type PortMappings } from './mappings.ts';

const GETADDR = 3;

const MAX_NETID_BYTES = 64;
const MAX_ADDRESS_BYTES = 256;
const MAX_OWNER_BYTES = 256;

const PROTOCOL_OF_NETID: Readonly<Record<string, number>> = {
  tcp: IPPROTO_TCP,
  tcp6: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  udp6: IPPROTO_UDP,
};

/** NULL and GETADDR; the numbers between are not there. */
export function rpcbindProcedures(mappings: PortMappings): readonly (RpcProcedure | undefined)[] {
  const procedures: (RpcProcedure | undefined)[] = [() => () => undefined];
  procedures[GETADDR] = (call) => {
    const universalAddress = getaddr(mappings, call);
    return (reply) => reply.string(universalAddress);
  };
  return procedures;
}

/** The universal address of a program as seen from the caller, or the empty string: RFC 5665, section 5.2.3. */
function getaddr(mappings: PortMappings, call: RpcCall): string {
  const program = call.args.uint32();
  const version = call.args.uint32();
  const netid = call.args.opaque(MAX_NETID_BYTES).toString('latin1');
  const hint = call.args.opaque(MAX_ADDRESS_BYTES).toString('latin1');
  call.args.opaque(MAX_OWNER_BYTES);
  const port = mappings.port(program, version, PROTOCOL_OF_NETID[netid] ?? 0);
  const host = call.localAddress ?? hint.replace(/\.\d+\.\d+$/, '');
  if (port === 0 || host === '' || isIPv6(host) !== netid.endsWith('6')) return '';
  return `${host}.${port >> 8}.${port & 0xff}`;
}

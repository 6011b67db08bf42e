// Portmap version 2: RFC 1833, section 3. Anybody may ask; only processes of this machine may register. CALLIT, which
// would let strangers speak through us to other programs, is not there.
import { type RpcCall, type RpcProcedure } from '../rpc/program.ts';
import { type XdrReader } from '../xdr/reader.ts';
import { isLoopback } from './loopback.ts';
import { type Mapping, type PortMappings } from './mappings.ts';

/** In the order of RFC 1833, section 3.2: the place in the list is the number. */
export function portmap2Procedures(mappings: PortMappings): readonly RpcProcedure[] {
  const asWord = (value: number) => (reply: { uint32(word: number): void }) => reply.uint32(value);

  const set = (call: RpcCall) => {
    const mapping = readMapping(call.args);
    return asWord(isLoopback(call.caller.address) && mappings.set(mapping) ? 1 : 0);
  };
  const unset = (call: RpcCall) => {
    const { program, version } = readMapping(call.args);
    return asWord(isLoopback(call.caller.address) && mappings.unset(program, version) ? 1 : 0);
  };
  const getport = (call: RpcCall) => {
    const { program, version, protocol } = readMapping(call.args);
    return asWord(mappings.port(program, version, protocol));
  };
  const dump: RpcProcedure = () => (reply) => {
    for (const { program, version, protocol, port } of mappings.list()) {
      for (const word of [1, program, version, protocol, port]) reply.uint32(word);
    }
    reply.uint32(0);
  };
  return [() => () => undefined, set, unset, getport, dump];
}

function readMapping(args: XdrReader): Mapping {
  return { program: args.uint32(), version: args.uint32(), protocol: args.uint32(), port: args.uint32() };
}

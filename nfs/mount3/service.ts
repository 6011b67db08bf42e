// What MOUNT's procedures work with.
import { type Awaitable, type Caller, type FileSystem } from '../file-system.ts';
import { type Log } from '../log.ts';
import { type RpcCall } from '../rpc/program.ts';
import { type Encode } from '../xdr/writer.ts';
import { type MountTable } from './mount-table.ts';

export interface MountService<Node> {
  readonly fileSystem: FileSystem<Node>;
  readonly table: MountTable;
  readonly log: Log;
  /** Told of each MNT that was granted, before the client has its answer. */
  readonly onMount: (path: string, caller: Caller) => void;
}

export type MountProcedure = <Node>(service: MountService<Node>, call: RpcCall) => Awaitable<Encode>;

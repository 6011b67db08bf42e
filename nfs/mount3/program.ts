// MOUNT version 3 as an RPC program: RFC 1813, appendix I. MNT gives out the handle of an export's root; the rest is
// bookkeeping that some clients read. Who may mount is the file system's decision.
import { type RpcProcedure, type RpcProgram } from '../rpc/program.ts';
import { dump } from './dump.ts';
import { exportProcedure } from './export.ts';
import { mnt } from './mnt.ts';
import { type MountProcedure, type MountService } from './service.ts';
import { umnt } from './umnt.ts';
import { umntall } from './umntall.ts';

export const MOUNT_PROGRAM = 100005;
export const MOUNT_V3 = 3;

const nullProcedure: MountProcedure = () => () => undefined;

/** In the order of RFC 1813, appendix I, section 5.2: the place in the list is the number. */
const procedures: readonly MountProcedure[] = [nullProcedure, mnt, dump, umnt, umntall, exportProcedure];

export function mount3Program<Node>(service: MountService<Node>): RpcProgram {
  const bound = procedures.map(
    (run): RpcProcedure =>
      (call) =>
        run(service, call),
  );
  return { program: MOUNT_PROGRAM, versions: new Map([[MOUNT_V3, bound]]) };
}

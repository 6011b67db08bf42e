// UMNT: RFC 1813, appendix I, section 5.2.3.
import { readDirpath } from './dirpath.ts';
import { type MountProcedure } from './service.ts';

export const umnt: MountProcedure = (service, call) => {
  service.table.remove({ address: call.caller.address, path: readDirpath(call.args) });
  return () => undefined;
};

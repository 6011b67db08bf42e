// UMNTALL: RFC 1813, appendix I, section 5.2.4.
import { type MountProcedure } from './service.ts';

export const umntall: MountProcedure = (service, call) => {
  service.table.removeAll(call.caller.address);
  return () => undefined;
};

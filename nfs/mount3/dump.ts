// DUMP: RFC 1813, appendix I, section 5.2.2.
import { type MountProcedure } from './service.ts';

export const dump: MountProcedure = (service) => (reply) => {
  for (const { address, path } of service.table.list()) {
    reply.boolean(true);
    reply.string(address);
    reply.string(path);
  }
  reply.boolean(false);
};

// EXPORT: RFC 1813, appendix I, section 5.2.5. Lists what this caller may mount; hosts are not told of each other.
import { type MountProcedure } from './service.ts';

export const exportProcedure: MountProcedure = (service, call) => {
  const paths = service.fileSystem.exports(call.caller);
  return (reply) => {
    for (const path of paths) {
      reply.boolean(true);
      reply.string(path);
      reply.boolean(false); // no groups
    }
    reply.boolean(false);
  };
};

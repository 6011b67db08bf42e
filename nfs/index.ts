// The door of the NFS engine: a server for portmap, MOUNT version 3 and NFS version 3 over TCP, made for ESXi, and the
// port (file-system.ts) that what it serves implements.
export * from './file-system.ts';
export { type Log } from './log.ts';
export { NfsServerError } from './nfs-server-error.ts';
export { type NfsServer, startNfsServer } from './server.ts';

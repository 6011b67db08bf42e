// The door for tests and benchmarks of other rooms: the port's contract suite, and file systems to serve.
export { describeFileSystem } from './file-system-contract.ts';
export { FolderFileSystem } from './folder-file-system.ts';
export { MemoryFileSystem } from './memory-file-system.ts';

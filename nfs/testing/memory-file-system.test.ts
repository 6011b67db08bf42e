import { describeFileSystem } from './file-system-contract.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

describeFileSystem('MemoryFileSystem', async () => {
  const fileSystem = new MemoryFileSystem();
  return {
    fileSystem,
    exportPath: '/memory',
    directory: () => fileSystem.root,
    close: () => undefined,
  };
});

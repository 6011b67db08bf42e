import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describeFileSystem } from './file-system-contract.ts';
import { FolderFileSystem } from './folder-file-system.ts';

const CALLER = { address: '127.0.0.1', uid: 0, gid: 0 };

describeFileSystem('FolderFileSystem', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'nfs-folder-'));
  let fileSystem = new FolderFileSystem(folder, '/folder');
  return {
    fileSystem,
    exportPath: '/folder',
    directory: (of) => of.mount('/folder', CALLER),
    restart: async () => {
      await fileSystem[Symbol.asyncDispose]();
      fileSystem = new FolderFileSystem(folder, '/folder');
      return fileSystem;
    },
    close: async () => {
      await fileSystem[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
});

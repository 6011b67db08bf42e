// Serves a folder over NFSv3 until it is interrupted:
//   node nfs/testing/serve-folder.ts FOLDER [PORT] [EXPORT]
// One port for NFS and MOUNT (any free one by default), one line of JSON on standard output when it is ready.
import process from 'node:process';
import { startNfsServer } from '../server.ts';
import { FolderFileSystem } from './folder-file-system.ts';

const [folder, port = '0', exportPath = '/folder'] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('Usage: serve-folder.ts FOLDER [PORT] [EXPORT]\n');
  process.exit(2);
}

const report = (fields: object, message: string): void => {
  process.stderr.write(`${message} ${JSON.stringify(fields, (_key, value: unknown) => describe(value))}\n`);
};

function describe(value: unknown): unknown {
  return value instanceof Error ? (value.stack ?? value.message) : value;
}

const fileSystem = new FolderFileSystem(folder, exportPath);
const server = await startNfsServer({
  fileSystem,
  host: '127.0.0.1',
  ports: { nfs: Number(port), mount: Number(port), portmap: 'off' },
  log: { info: report, warn: report, error: report },
});
process.stdout.write(`${JSON.stringify({ ports: server.ports, export: exportPath })}\n`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void server.close().then(() => fileSystem[Symbol.asyncDispose]());
  });
}

// Ports on loopback that nobody uses. They are known before the processes start, so that a process that is killed
// and started again comes back where its peers look for it. They lie below those that the kernel hands out by
// itself (from 32768 on, as it is set on Linux): one of these could be any connection's by the time it is used.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;
const MAX_TRIES = 200;

export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt += 1) {
    if (attempt === MAX_TRIES)
      throw new Error(`no ${count} free ports were found from ${LOWEST} to ${HIGHEST}`);
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

// A process that takes a lock, says so, and holds it until it is killed. Run by control.test.ts.
import { writeSync } from 'node:fs';
import { GatewayClient } from '../gateway-client.ts';

const [socketPath = '', name = ''] = process.argv.slice(2);
await new GatewayClient(socketPath).withLock(name, 'holder', () => {
  writeSync(1, 'held\n');
  return new Promise(() => undefined);
});

// A process that takes a point of a session, says so, and holds it until it is killed. Run by points.test.ts.
import { writeSync } from 'node:fs';
import { GatewayClient } from '../gateway-client.ts';

const [socketPath = '', sessionId = ''] = process.argv.slice(2);
await new GatewayClient(socketPath).withPoint(sessionId, () => {
  writeSync(1, 'held\n');
  return new Promise(() => undefined);
});

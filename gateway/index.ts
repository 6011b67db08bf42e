// The gateway's door: the client of its control socket, where that is, and a gateway in this process for tests, with the
// rule of its turns for those that play one.
export * from './control-api.ts';
export { GatewayClient, type OpenPoint } from './gateway-client.ts';
export { GatewayError } from './gateway-error.ts';
export { startGateway } from './start-gateway.ts';
export { controlSocketPath, siteStateDirectory } from './state-directory.ts';
export { queued, waitsFor } from './turns.ts';

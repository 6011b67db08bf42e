import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { VsphereError } from './errors.ts';
import { connectPinned, readFingerprint } from './fingerprint.ts';
import { listen, makeCertificate } from './testing/tls-server.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const certificate = makeCertificate();

/** A TLS server that keeps what it is sent. */
async function startTlsServer(): Promise<{ port: number; received: Buffer[]; ended: Promise<void> }> {
  const received: Buffer[] = [];
  let end: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const server = createServer({ key: certificate.key, cert: certificate.cert }, (socket) => {
    socket.on('data', (data: Buffer) => received.push(data));
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => socket.once('close', () => end()));
  servers.push(server);
  return { port: await listen(server), received, ended };
}

async function startTcpServer(answer: string): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    if (answer !== '') socket.end(answer);
  });
  servers.push(server);
  return listen(server);
}

test('the fingerprint is the one that openssl shows', async () => {
  const { port } = await startTlsServer();
  expect(await readFingerprint('127.0.0.1', port)).toBe(certificate.fingerprint);
});

test('the pinned server is spoken to', async () => {
  const { port, received, ended } = await startTlsServer();
  const socket = await connectPinned('127.0.0.1', port, certificate.fingerprint);
  socket.end('hello');
  await ended;
  expect(Buffer.concat(received).toString()).toBe('hello');
});

test('another server is named with both fingerprints, and gets not a byte', async () => {
  const { port, received, ended } = await startTlsServer();
  const expected = 'AB'.repeat(32);
  const failure = connectPinned('127.0.0.1', port, expected);
  await expect(failure).rejects.toMatchObject({ code: 'CertificateMismatch' });
  await expect(failure).rejects.toThrow(expected);
  await expect(failure).rejects.toThrow(certificate.fingerprint);
  await ended;
  expect(received).toEqual([]);
});

test('what is not a fingerprint is refused before any connection', async () => {
  const lowerCase = certificate.fingerprint.toLowerCase();
  await expect(connectPinned('127.0.0.1', 1, lowerCase)).rejects.toMatchObject({ code: 'InvalidInput' });
});

test('a closed port and a service without TLS are TargetUnavailable', async () => {
  const { port } = await startTlsServer();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  await expect(readFingerprint('127.0.0.1', port)).rejects.toMatchObject({ code: 'TargetUnavailable' });
  const plain = await startTcpServer('SSH-2.0-something\r\n');
  await expect(readFingerprint('127.0.0.1', plain)).rejects.toMatchObject({
    code: 'TargetUnavailable',
    message: expect.stringMatching(/^[^\n]*does not speak TLS[^\n]*$/) as string,
  });
});

test('a server that never answers is left when the caller has enough', async () => {
  const port = await startTcpServer('');
  const enough = new AbortController();
  const pending = readFingerprint('127.0.0.1', port, { signal: enough.signal });
  enough.abort();
  const error: unknown = await pending.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(VsphereError);
  expect((error as VsphereError).code).toBe('Cancelled');
});

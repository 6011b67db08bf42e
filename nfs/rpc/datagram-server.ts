// Answers RPC calls that come as UDP datagrams (RFC 5531, section 10, without record marks). Only the portmapper is
// asked this way. Meant for small procedures that answer at once: there is no queue, and a reply that can't be sent
// is dropped, as the caller's retransmission expects.
import { createSocket, type Socket } from 'node:dgram';
import { type Log } from '../log.ts';
import { encodeBytes } from '../xdr/writer.ts';
import { answerRecord, type RpcProgram } from './program.ts';
import { bindError } from './server.ts';

export interface DatagramServerOptions {
  readonly host: string;
  readonly port: number;
  readonly purpose: string;
  readonly programs: readonly RpcProgram[];
  readonly log: Log;
}

/** Resolves to what closes it. Throws NfsServerError PortInUse or AddressUnavailable. */
export async function listenForDatagrams(options: DatagramServerOptions): Promise<() => Promise<void>> {
  const { host, port, purpose, log } = options;
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(bindError(error, host, port, `${purpose} over UDP`)));
    socket.bind({ address: host, port, exclusive: true }, () => resolve());
  });
  socket.removeAllListeners('error');
  socket.on('error', (error) => log.error({ err: error, port }, `${purpose} over UDP failed`));
  socket.on('message', (message, peer) => {
    void answer(socket, options, message, peer);
  });
  return () => new Promise((resolve) => socket.close(() => resolve()));
}

async function answer(
  socket: Socket,
  options: DatagramServerOptions,
  message: Buffer,
  peer: { address: string; port: number },
): Promise<void> {
  try {
    const encode = await answerRecord(
      options.programs,
      message,
      { peer: peer.address, local: undefined },
      options.log,
    );
    socket.send(encodeBytes(encode), peer.port, peer.address, () => undefined);
  } catch (error) {
    options.log.warn({ err: error, peer: peer.address }, 'Datagram dropped: not a call');
  }
}

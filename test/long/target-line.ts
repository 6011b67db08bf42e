// The line between a site and its target, which a test can cut: a relay that passes bytes on, so that the target's own
// certificate is still what the site sees.
import { connect, createServer, type Socket } from 'node:net';

export interface TargetLine extends AsyncDisposable {
  /** HOST:PORT, to be named as the target. */
  readonly address: string;
  /** Ends every connection, and any new one at once, until it is mended. */
  cut(): void;
  mend(): void;
}

export async function openTargetLine(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TargetLine> {
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(target.port, target.host);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('the line has no port');
  const endAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    address: `127.0.0.1:${at.port}`,
    cut: () => {
      isCut = true;
      endAll();
    },
    mend: () => {
      isCut = false;
    },
    [Symbol.asyncDispose]: async () => {
      endAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// The worker's log: JSON lines on standard error. Temporal's SDK logs into it, too. Inputs of steps are never
// logged; failures are made of words that hold no secret (activities/failures.ts). A log that can't be written, on a disk
// that is full, ends no worker: lines wait until there is room again, and those beyond a limit are dropped.
import { DefaultLogger, type LogLevel, Runtime } from '@temporalio/worker';
import { type Logger, pino, stdSerializers } from 'pino';

const levels = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const satisfies Record<LogLevel, string>;

/** Lines that wait, in bytes. */
const MAX_WAITING_BYTES = 1024 * 1024;

export function openLog(site: string): Logger {
  const destination = pino.destination({ dest: 2, sync: true, maxLength: MAX_WAITING_BYTES });
  // There is nowhere to tell it, and the next line tries again.
  destination.on('error', () => undefined);
  const log = pino(
    { base: { process: 'worker', site }, serializers: { error: stdSerializers.err } },
    destination,
  );
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => log[levels[level]](meta ?? {}, message)),
  });
  return log;
}

// The worker's log: JSON lines on standard error. Temporal's SDK logs into it, too. Inputs of steps are never
// logged; failures are made of words that hold no secret (activities/failures.ts).
import { DefaultLogger, type LogLevel, Runtime } from '@temporalio/worker';
import { type Logger, pino, stdSerializers } from 'pino';

const levels = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const satisfies Record<LogLevel, string>;

export function openLog(site: string): Logger {
  const log = pino(
    { base: { process: 'worker', site }, serializers: { error: stdSerializers.err } },
    pino.destination({ dest: 2, sync: true }),
  );
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => log[levels[level]](meta ?? {}, message)),
  });
  return log;
}

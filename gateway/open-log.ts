// The gateway's log: JSON lines on standard error. A log that can't be written, on a disk that is full, never ends the
// process that VMs run from: lines wait until there is room again, and those beyond a limit are dropped.
import { type Logger, pino } from 'pino';

/** Lines that wait, in bytes. */
const MAX_WAITING_BYTES = 1024 * 1024;

export function openLog(site: string): Logger {
  const destination = pino.destination({ dest: 2, sync: true, maxLength: MAX_WAITING_BYTES });
  // There is nowhere to tell it, and the next line tries again.
  destination.on('error', () => undefined);
  return pino({ base: { process: 'gateway', site } }, destination);
}

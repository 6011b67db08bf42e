// Times of files. Milliseconds are all the system clock gives, but two changes of a file must not share a ctime:
// a guarded SETATTR compares it. So each answer is later than the one before.
import { type NfsTime } from '../../nfs/index.ts';

let lastMs = 0;
let sinceMs = 0;

/** Now, and later than every answer before. */
export function nextTime(): NfsTime {
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    sinceMs = 0;
  } else {
    sinceMs += 1;
    if (sinceMs === 1_000_000) {
      lastMs += 1;
      sinceMs = 0;
    }
  }
  return { seconds: Math.floor(lastMs / 1000), nanoseconds: (lastMs % 1000) * 1_000_000 + sinceMs };
}

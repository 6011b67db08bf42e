// What a target's per cent say in bytes and time. The only thing that it tells is a whole number of per cent; rate
// and time left are reckoned from how that grew of late, so that they follow a copy that is held back, or let go.

/** Of late. One step of the percentage that took longer counts, too. */
const WINDOW_MS = 60_000;

export interface MigrationProgress {
  readonly percent: number;
  /** Of the provisioned size. */
  readonly bytesPerSecond: number | undefined;
  readonly leftMs: number | undefined;
}

/** Answers what a new percentage says. `totalBytes` is the provisioned size of the disks. */
export function migrationProgress(
  totalBytes: number,
  now: () => number = Date.now,
): (percent: number) => MigrationProgress {
  const steps: { readonly percent: number; readonly atMs: number }[] = [];
  return (percent) => {
    const atMs = now();
    if (steps.at(-1)?.percent !== percent) steps.push({ percent, atMs });
    while (steps.length > 2 && atMs - (steps[1]?.atMs ?? atMs) >= WINDOW_MS) steps.shift();
    const first = steps[0] ?? { percent, atMs };
    const share = (percent - first.percent) / 100;
    const tookMs = atMs - first.atMs;
    if (share <= 0 || tookMs <= 0) return { percent, bytesPerSecond: undefined, leftMs: undefined };
    return {
      percent,
      bytesPerSecond: Math.round((share * totalBytes * 1000) / tookMs),
      leftMs: Math.round((tookMs * (1 - percent / 100)) / share),
    };
  };
}

// What a target's per cent say in bytes and time. The only thing that it tells is a whole number of per cent; rate
// and time left are reckoned from how that grew since this worker began to watch.

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
  let first: { readonly percent: number; readonly atMs: number } | undefined;
  return (percent) => {
    first ??= { percent, atMs: now() };
    const share = (percent - first.percent) / 100;
    const tookMs = now() - first.atMs;
    if (share <= 0 || tookMs <= 0) return { percent, bytesPerSecond: undefined, leftMs: undefined };
    return {
      percent,
      bytesPerSecond: Math.round((share * totalBytes * 1000) / tookMs),
      leftMs: Math.round((tookMs * (1 - percent / 100)) / share),
    };
  };
}

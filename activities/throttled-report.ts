// Progress on its way into a Workflow's history, where every word is kept for good: at most one report per second
// and per share of the work (five per cent unless told otherwise), and whatever a person must hear at once.
import type { Step } from './step.ts';

const MIN_SHARE = 0.05;
const MIN_INTERVAL_MS = 1_000;

export interface ThrottledReport {
  /** @param urgent passes the throttle. */
  tell(fraction: number, report: object, urgent?: boolean): void;
  /** Ends when every report that was let through has arrived; a report that failed is dropped. */
  settled(): Promise<void>;
}

export function throttledReport(
  step: Pick<Step, 'report'>,
  { minShare = MIN_SHARE }: { readonly minShare?: number } = {},
): ThrottledReport {
  let toldFraction = 0;
  let toldAtMs = 0;
  let sending: Promise<void> = Promise.resolve();
  return {
    tell: (fraction, report, urgent = false) => {
      const due = fraction - toldFraction >= minShare && Date.now() - toldAtMs >= MIN_INTERVAL_MS;
      if (!due && !urgent) return;
      toldFraction = fraction;
      toldAtMs = Date.now();
      // A report is a courtesy: losing one must not fail the work that it tells of.
      sending = sending.then(() => step.report(report)).catch(() => undefined);
    },
    settled: () => sending,
  };
}

// A session that ended and could not remove everything says so in its failure, for whoever started it to read.
import type { Reason } from './failure.ts';

/** @param left names each thing, in words. */
export function withLeftBehind(reason: Reason, left: readonly string[]): Reason {
  return { ...reason, details: [...reason.details, { leftBehind: [...left] }] };
}

/** Empty for a failure that left nothing. */
export function leftBehindOf({ details }: Reason): readonly string[] {
  return details.flatMap((detail) => {
    const has = typeof detail === 'object' && detail !== null && 'leftBehind' in detail;
    return has && Array.isArray(detail.leftBehind) ? detail.leftBehind.map(String) : [];
  });
}

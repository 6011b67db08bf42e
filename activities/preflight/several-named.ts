// Several things of the name that somebody gave.
import type { Findings } from './findings.ts';

/** Whoever meant one of several by its name alone is not given another one: that is a finding. */
export function areSeveral<T extends { readonly moref: string }>(
  named: readonly T[],
  what: string,
  whereOf: (one: T) => string,
  found: Findings,
): boolean {
  const [first, ...others] = named;
  if (first === undefined || others.length === 0) return false;
  const each = named.map((one) => `${one.moref} (${whereOf(one)})`).join(', ');
  found.error(
    'Ambiguous',
    `The target has ${named.length} ${what}: ${each}. Say which one by its reference: ${first.moref}, for one`,
  );
  return true;
}

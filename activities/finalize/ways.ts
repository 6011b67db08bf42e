// Which ways lead a VM to production, in the order in which they are tried: by what was asked for and whether the VM
// runs. Whether the target allows one is for its preflight to say.
import type { FinalizePlan, Vmotion } from '../../contract/index.ts';
import type { PowerState } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';

export interface Way {
  readonly mode: FinalizePlan['mode'];
  /** What asks for this way alone. */
  readonly vmotion: Vmotion;
}

const LIVE: Way = { mode: 'live', vmotion: 'live' };
const SHORT_OUTAGE: Way = { mode: 'shortOutage', vmotion: 'short-outage' };
const COLD: Way = { mode: 'cold', vmotion: 'cold' };

/** The least outage first. A host alone migrates nothing live, which goes without saying. */
export function waysFor(
  vmotion: Vmotion,
  powerState: PowerState,
  isVirtualCenter: boolean,
): readonly [Way, ...Way[]] {
  if (powerState !== 'poweredOn') return [COLD];
  switch (vmotion) {
    case 'auto':
      return isVirtualCenter ? [LIVE, SHORT_OUTAGE, COLD] : [SHORT_OUTAGE, COLD];
    case 'live':
      return [LIVE];
    case 'short-outage':
      return [SHORT_OUTAGE];
    case 'cold':
      return [COLD];
  }
}

/** What each way in turn is refused for, once; where one is not, its own warnings, and why those before it were. */
export async function firstPassable<T>(
  ways: readonly Way[],
  found: Findings,
  openFindings: () => Findings,
  look: (way: Way, own: Findings) => Promise<T | undefined>,
): Promise<{ readonly way: Way; readonly answer: T; readonly rest: readonly Way[] } | undefined> {
  const refusals = new Map<string, { readonly way: Way; readonly code: string }>();
  for (const [index, way] of ways.entries()) {
    const own = openFindings();
    const answer = await look(way, own);
    const errors = own.all.filter(({ severity }) => severity === 'error');
    if (answer !== undefined && errors.length === 0) {
      for (const [message, refused] of refusals)
        found.warning(refused.code, `Not ${WORDS[refused.way.mode]}: ${message}`);
      for (const { code, message } of own.all) found.warning(code, message);
      return { way, answer, rest: ways.slice(index + 1) };
    }
    for (const { code, message } of errors) {
      if (!refusals.has(message)) refusals.set(message, { way, code });
    }
  }
  for (const [message, { code }] of refusals) found.error(code, message);
  return undefined;
}

const WORDS = { live: 'live', shortOutage: 'with a short outage', cold: 'cold' } as const;

// Which ways lead a VM to production, in the order in which they are tried: by what was asked for and whether the VM
// runs. Whether the target allows one is for its preflight to say.
import type { ChangesPlace, FinalizePlan, Vmotion } from '../../contract/index.ts';
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

/**
 * The least outage first. A guest that runs is off while its disks are copied only where somebody said so. A host alone
 * migrates nothing live, which goes without saying.
 */
export function waysFor(
  vmotion: Vmotion,
  powerState: PowerState,
  isVirtualCenter: boolean,
): readonly [Way, ...Way[]] {
  if (powerState !== 'poweredOn') return [COLD];
  switch (vmotion) {
    case 'auto':
      return isVirtualCenter ? [LIVE, SHORT_OUTAGE] : [SHORT_OUTAGE];
    case 'live':
      return [LIVE];
    case 'short-outage':
      return [SHORT_OUTAGE];
    case 'cold':
      return [COLD];
  }
}

/**
 * Whose changes lie apart from the disks that they stand on goes in no way that would have the target gather them.
 * Answers false where the way is none.
 */
export function lookAtRedirected(
  mode: FinalizePlan['mode'],
  changes: ChangesPlace | undefined,
  found: Findings,
): boolean {
  if (changes === undefined || mode !== 'live') return true;
  found.error(
    'NotSupported',
    `The session's changes are on datastore ${changes.datastore}, apart from the disks that they stand on, and a live ` +
      'migration of such a VM is known to leave some behind: it goes with a short outage, or cold',
  );
  return false;
}

/**
 * Takes the first way that nothing stands against, with its own warnings and why those before it were refused. Where
 * there is none: what stands against every one of them; and where that is nothing, all that stands against any.
 */
export async function firstPassable<T>(
  ways: readonly Way[],
  found: Findings,
  openFindings: () => Findings,
  look: (way: Way, own: Findings) => Promise<T | undefined>,
): Promise<{ readonly way: Way; readonly answer: T; readonly rest: readonly Way[] } | undefined> {
  const refusals: Refusal[] = [];
  for (const [index, way] of ways.entries()) {
    const own = openFindings();
    const answer = await look(way, own);
    const errors = own.all.filter(({ severity }) => severity === 'error');
    if (answer !== undefined && errors.length === 0) {
      for (const { code, message, mode } of unique(refusals))
        found.warning(code, `Not ${WORDS[mode]}: ${message}`);
      for (const { code, message } of own.all) found.warning(code, message);
      return { way, answer, rest: ways.slice(index + 1) };
    }
    refusals.push(...errors.map(({ code, message }) => ({ code, message, mode: way.mode })));
  }
  const isOfAll = ({ message }: Refusal): boolean =>
    refusals.filter((each) => each.message === message).length >= ways.length;
  const ofAll = refusals.filter(isOfAll);
  for (const { code, message } of unique(ofAll.length > 0 ? ofAll : refusals)) found.error(code, message);
  return undefined;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly mode: Way['mode'];
}

const unique = (refusals: readonly Refusal[]): readonly Refusal[] =>
  [...new Map(refusals.toReversed().map((each) => [each.message, each])).values()].toReversed();

const WORDS = { live: 'live', shortOutage: 'with a short outage', cold: 'cold' } as const;

// Names of a round's isolated network, from its session's id alone.
import { createHash } from 'node:crypto';
import type { IsolatedNetworkSpec } from '../../vsphere/index.ts';

/** A vSwitch's name has at most 31 characters: this one has 19. */
const SWITCH_NAME_DIGITS = 12;

export function proveNetwork(sessionId: string): IsolatedNetworkSpec {
  const digest = createHash('sha256').update(sessionId).digest('hex').slice(0, SWITCH_NAME_DIGITS);
  return { vswitch: `rd-iso-${digest}`, portGroup: `rundirect-${sessionId}` };
}

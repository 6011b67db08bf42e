// MAC addresses of a published VM: as in the backup, or new ones.
//
// A new one is static, from the range that VMware gives to addresses that people assign, and follows from the
// session and the card: publishing again makes the same one. A host that makes new UUIDs would make new generated
// addresses with them, so one that is to be kept then becomes static, too. Hosts check that static addresses are of
// that range, and leave it where the card says so.
// Source: VMware's documentation of MAC address assignment; `checkMACAddress` as hosts read it.
import { createHash } from 'node:crypto';
import type { PublishOptions } from './types.ts';
import type { Vmx } from './vmx.ts';
import { cardsOf } from './vmx-devices.ts';

const STATIC_PREFIX = '00:50:56';
/** 00:50:56:00:00:00 to 00:50:56:3f:ff:ff. */
const STATIC_RANGE = /^00:50:56:[0-3]/;
const STATIC_MASK = 0x3f;

/** The same for the same session and card, lower case with colons. */
export function renewedMac(sessionId: string, card: string): string {
  const [first = 0, second = 0, third = 0] = createHash('sha256').update(`${sessionId}/${card}`).digest();
  const digits = [first & STATIC_MASK, second, third].map((byte) => byte.toString(16).padStart(2, '0'));
  return `${STATIC_PREFIX}:${digits.join(':')}`;
}

export function publishedAddresses(
  vmx: Vmx,
  { sessionId, mac, uuid }: Pick<PublishOptions, 'sessionId' | 'mac' | 'uuid'>,
): Record<string, string | undefined> {
  const changes: Record<string, string | undefined> = {};
  for (const { node, mac: address } of cardsOf(vmx)) {
    if (mac === 'renew') Object.assign(changes, fixed(node, renewedMac(sessionId, node)));
    else if (uuid === 'renew' && address !== undefined) Object.assign(changes, fixed(node, address));
  }
  return changes;
}

function fixed(card: string, address: string): Record<string, string | undefined> {
  return {
    [`${card}.addressType`]: 'static',
    [`${card}.address`]: address,
    [`${card}.generatedAddress`]: undefined,
    [`${card}.generatedAddressOffset`]: undefined,
    [`${card}.checkMACAddress`]: STATIC_RANGE.test(address) ? undefined : 'FALSE',
  };
}

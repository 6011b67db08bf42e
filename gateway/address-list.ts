// Which hosts may mount: addresses and CIDR ranges, IPv4 and IPv6. A socket's IPv4-mapped address is its IPv4 one.
import { BlockList, isIP } from 'node:net';
import { GatewayError } from './gateway-error.ts';

const MAPPED_PREFIX = '::ffff:';

/** A set of addresses. Answers are remembered: each NFS call asks. */
export class AddressList {
  readonly #ranges = new BlockList();
  readonly #known = new Map<string, boolean>();

  /** Throws GatewayError InvalidInput for what is neither an address nor a CIDR range. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry);
  }

  has(address: string): boolean {
    let known = this.#known.get(address);
    if (known === undefined) {
      known = this.#check(address);
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      this.#known.set(address, known);
    }
    return known;
  }

  #check(address: string): boolean {
    const plain = address.startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : address;
    const version = isIP(plain);
    return version !== 0 && this.#ranges.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  }

  #add(entry: string): void {
    const [address = '', bits, ...rest] = entry.split('/');
    const version = isIP(address);
    const family = version === 4 ? 'ipv4' : 'ipv6';
    const length = bits === undefined ? undefined : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : -1;
    const valid = length === undefined || (length >= 0 && length <= (version === 4 ? 32 : 128));
    if (version === 0 || rest.length > 0 || !valid) {
      throw new GatewayError(
        'InvalidInput',
        `'${entry}' is no address that may mount: give an IP address, or a range like 192.0.2.0/24.`,
      );
    }
    if (length === undefined) this.#ranges.addAddress(address, family);
    else this.#ranges.addSubnet(address, length, family);
  }
}

/** Hosts of one target: a cluster has 96 at most. */
const MAX_REMEMBERED = 1024;

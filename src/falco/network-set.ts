/** IP addresses and networks that texts are looked up in. */
import { parseIpAddress } from "../lib/ip-address.ts";
import { type IpPrefix, parseIpPrefix, prefixContains } from "../lib/ip-network.ts";

const MAX_REMEMBERED = 1024;

export class NetworkSet {
  readonly #prefixes: readonly IpPrefix[];
  /** The answers of late: a host talks to the same peers again and again. */
  readonly #remembered = new Map<string, boolean>();

  constructor(prefixes: readonly IpPrefix[]) {
    this.#prefixes = prefixes;
  }

  /** False for what is no address. */
  contains(address: string): boolean {
    const known = this.#remembered.get(address);
    if (known !== undefined) return known;
    const octets = parseIpAddress(address);
    const answer = octets !== undefined && this.#prefixes.some((prefix) => prefixContains(prefix, octets));
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(address, answer);
    return answer;
  }
}

/** `10.0.0.0/8`, or an address alone; undefined for anything else. */
export function parseNetwork(text: string): IpPrefix | undefined {
  const address = parseIpAddress(text);
  return address === undefined ? parseIpPrefix(text) : { address, bits: address.length * 8 };
}

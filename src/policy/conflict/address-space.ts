/** Networks as sets of addresses. */
import { type IpPrefix, maskAddress } from "../../lib/ip-network.ts";
import type { PeerMatch } from "../access/peer-match.ts";
import { type Intervals, intervalsOf, subtractIntervals } from "./intervals.ts";

export type Family = 4 | 6;
export type Network = Extract<PeerMatch, { readonly kind: "network" }>;
export interface AddressSpace {
  readonly family: Family;
  readonly intervals: Intervals<bigint>;
}

const SPACES = new WeakMap<Network, AddressSpace>();

export function addressSpaceOf(network: Network): AddressSpace {
  const known = SPACES.get(network);
  if (known !== undefined) return known;
  const { prefix, except } = network;
  const family = familyOf(prefix.address);
  const left = intervalsOf(except.filter(({ address }) => familyOf(address) === family).map(intervalOf));
  const space = { family, intervals: subtractIntervals([intervalOf(prefix)], left) };
  SPACES.set(network, space);
  return space;
}

export const familyOf = (address: Uint8Array): Family => (address.length === 4 ? 4 : 6);

/** All addresses of a family. */
export const everyAddress = (family: Family): AddressSpace => ({
  family,
  intervals: [{ start: 0n, end: 1n << (family === 4 ? 32n : 128n) }],
});

function intervalOf({ address, bits }: IpPrefix): { readonly start: bigint; readonly end: bigint } {
  const start = maskAddress(address, bits).reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
  return { start, end: start + (1n << BigInt(address.length * 8 - bits)) };
}

export function addressOf(value: bigint, family: Family): Uint8Array {
  const octets = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let index = octets.length - 1; index >= 0; index--) {
    octets[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return octets;
}

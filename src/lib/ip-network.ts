/** IP networks, kinds of addresses, and the text of both (RFC 4632, RFC 5952), on the octets that `parseIpAddress` gives. */
import { parseIpAddress } from "./ip-address.ts";

/** `address/bits`: the leading `bits` name the network; the bits after them are kept as they were given. */
export interface IpPrefix {
  readonly address: Uint8Array;
  readonly bits: number;
}

/** The prefix that a text such as `10.0.0.0/8` is, or undefined. UNTRUSTED. */
export function parseIpPrefix(text: string): IpPrefix | undefined {
  const slash = text.lastIndexOf("/");
  const address = parseIpAddress(text.slice(0, Math.max(slash, 0)));
  const bitsText = text.slice(slash + 1);
  if (address === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(bitsText)) return undefined;
  const bits = Number(bitsText);
  return bits <= address.length * 8 ? { address, bits } : undefined;
}

/** The canonical text of an address: lower case, `::` for the first longest run of two or more zero groups. */
export function formatIpAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups: number[] = [];
  for (let index = 0; index < address.length; index += 2) groups.push(((address[index] ?? 0) << 8) | (address[index + 1] ?? 0));
  const text = (from: number, to: number): string => Array.from(groups.slice(from, to), (group) => group.toString(16)).join(":");
  const zeros = longestZeroRun(groups);
  const end = zeros.start + zeros.length;
  return zeros.length < 2 ? text(0, groups.length) : `${text(0, zeros.start)}::${text(end, groups.length)}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}

export const formatIpPrefix = ({ address, bits }: IpPrefix): string => `${formatIpAddress(address)}/${bits}`;

/** The address with all bits after the first `bits` cleared. */
export const maskAddress = (address: Uint8Array, bits: number): Uint8Array =>
  address.map((octet, index) => octet & octetMask(bits - index * 8));

const octetMask = (bits: number): number => (bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff00 >> bits) & 0xff);

/** Whether an address lies in a network. IPv4 and IPv6 never contain each other. */
export const prefixContains = ({ address, bits }: IpPrefix, other: Uint8Array): boolean =>
  address.length === other.length && address.every((octet, index) => ((octet ^ (other[index] ?? 0)) & octetMask(bits - index * 8)) === 0);

export const sameAddress = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, index) => octet === b[index]);

const within = (...texts: readonly string[]): ((address: Uint8Array) => boolean) => {
  const networks = texts.flatMap((text) => parseIpPrefix(text) ?? []);
  return (address) => networks.some((network) => prefixContains(network, address));
};

export const isUnspecified: (address: Uint8Array) => boolean = within("0.0.0.0/32", "::/128");
export const isLoopback: (address: Uint8Array) => boolean = within("127.0.0.0/8", "::1/128");
export const isMulticast: (address: Uint8Array) => boolean = within("224.0.0.0/4", "ff00::/8");
export const isLinkLocalUnicast: (address: Uint8Array) => boolean = within("169.254.0.0/16", "fe80::/10");
/** 224.0.0.0/24, or ff02::/16 whatever its flags. */
export const isLinkLocalMulticast = (address: Uint8Array): boolean =>
  address.length === 4 ? isLocalGroup(address) : address[0] === 0xff && ((address[1] ?? 0) & 0x0f) === 0x02;
const isLocalGroup: (address: Uint8Array) => boolean = within("224.0.0.0/24");
/** An IPv6 address that only wraps an IPv4 one. */
export const isIpv4Mapped: (address: Uint8Array) => boolean = within("::ffff:0:0/96");
const isBroadcast: (address: Uint8Array) => boolean = within("255.255.255.255/32");

/** Any address but unspecified, broadcast, loopback, multicast and link-local ones; private ones count, as in Go. */
export const isGlobalUnicast = (address: Uint8Array): boolean =>
  !isUnspecified(address) && !isBroadcast(address) && !isLoopback(address) && !isMulticast(address) && !isLinkLocalUnicast(address);

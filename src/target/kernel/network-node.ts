/** Addresses as the kernel tells them apart: the longest of the prefixes that policies name, and the names that an address answered to. */
import { formatIpPrefix, type IpPrefix, maskAddress, parseIpPrefix, prefixContains } from "../../lib/ip-network.ts";
import type { AccessRule } from "../../policy/access/access-rule.ts";
import type { Endpoint } from "../../policy/access/endpoint.ts";
import { type End, matchesDnsName, matchesPeer, type PeerMatch } from "../../policy/access/peer-match.ts";

export interface NetworkNode {
  readonly prefix: IpPrefix;
  /** DNS patterns of policies that a name of the address fits; only of addresses that the DNS proxy has seen. */
  readonly patterns: readonly string[];
}

/** An address with the names (lower case) to which it was the answer. */
export interface LearnedAddress {
  readonly address: Uint8Array;
  readonly names: readonly string[];
}

const ROOTS: readonly IpPrefix[] = ["0.0.0.0/0", "::/0"].flatMap((text) => parseIpPrefix(text) ?? []);

const isAddressMatch = (match: PeerMatch): boolean =>
  match.kind === "network" || match.kind === "dns" || (match.kind === "world" && match.family !== undefined);

/** The alternatives that an end's address or names decide, perhaps together with who it is. */
export const addressMatches = (matches: readonly PeerMatch[]): readonly PeerMatch[] => matches.filter(isAddressMatch);

/** Every prefix that matters: the roots of both families, those of the rules, and each learned address. */
export function networkNodes(rules: readonly AccessRule[], learned: readonly LearnedAddress[]): readonly NetworkNode[] {
  const nodes = new Map<string, NetworkNode>();
  const add = (prefix: IpPrefix, patterns: readonly string[] = []): void => {
    const masked = { address: maskAddress(prefix.address, prefix.bits), bits: prefix.bits };
    const key = formatIpPrefix(masked);
    if (patterns.length > 0 || !nodes.has(key)) nodes.set(key, { prefix: masked, patterns });
  };
  ROOTS.forEach((root) => void add(root));
  const matches = new Set(rules.flatMap(({ peer }) => peer));
  const wanted = new Set<string>();
  for (const match of matches) {
    if (match.kind === "network") [match.prefix, ...match.except].forEach((prefix) => void add(prefix));
    if (match.kind === "dns") wanted.add(match.pattern);
  }
  for (const { address, names } of learned) {
    const patterns = [...wanted].filter((pattern) => names.some((name) => matchesDnsName(pattern, name)));
    if (patterns.length > 0) add({ address, bits: address.length * 8 }, patterns);
  }
  return [...nodes.values()];
}

const isWithin = (inner: IpPrefix, outer: IpPrefix): boolean => outer.bits <= inner.bits && prefixContains(outer, inner.address);

/** Whether an end is meant whose longest known prefix is the node's. The same answer as `matchesPeer` gives for its address. */
export function matchesNode(match: PeerMatch, endpoint: Endpoint, { prefix, patterns }: NetworkNode): boolean {
  switch (match.kind) {
    case "network":
      return (
        (match.scope === "all" || endpoint.kind === "external") &&
        isWithin(prefix, match.prefix) &&
        !match.except.some((except) => isWithin(prefix, except))
      );
    case "dns":
      return patterns.includes(match.pattern);
    case "world":
      return endpoint.kind === "external" && (match.family === undefined || prefix.address.length === (match.family === 4 ? 4 : 16));
    default:
      return matchesPeer(match, unaddressed(endpoint));
  }
}

const NO_ADDRESS = new Uint8Array();

/** An end of which only is known who it is. */
export const unaddressed = (endpoint: Endpoint): End => ({ endpoint, address: NO_ADDRESS, names: [] });

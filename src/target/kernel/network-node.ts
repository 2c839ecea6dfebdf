/** Addresses as the kernel tells them apart: the longest of the prefixes that policies name, and the names that an address answered to. */
import { formatIpAddress, formatIpPrefix, type IpPrefix, maskAddress, parseIpPrefix, prefixContains } from "../../lib/ip-network.ts";
import type { AccessRule } from "../../policy/access/access-rule.ts";
import type { Endpoint } from "../../policy/access/endpoint.ts";
import { type End, matchesDnsName, matchesPeer, type PeerMatch } from "../../policy/access/peer-match.ts";

export interface NetworkNode {
  /** Where there are patterns too, the longest prefix of a rule that holds such addresses. */
  readonly prefix: IpPrefix;
  /** DNS patterns of policies that names of the address fit, in the order of the rules; empty for addresses that were never an answer. */
  readonly patterns: readonly string[];
}

export interface NetworkNodes {
  /** By number. */
  readonly nodes: readonly NetworkNode[];
  /** Of addresses that were learned, by their text: the number of their node. */
  readonly learned: ReadonlyMap<string, number>;
  /** DNS patterns of policies. */
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

/** Above so many patterns, nodes are made for what was learned alone. */
const MAX_FORESEEN = 128;
/** Stands for any label where a pattern has a wildcard. */
const SOME_LABEL = "x-vigil-any";

/**
 * Every prefix that matters: the roots of both families and those of the rules. Learned addresses whose names fit the same patterns, under the
 * same prefix, are one node; those that patterns foresee are there before anything is learned, so that learning is one write into a map.
 */
export function networkNodes(rules: readonly AccessRule[], learned: readonly LearnedAddress[]): NetworkNodes {
  const nodes = new Map<string, NetworkNode>();
  const add = (prefix: IpPrefix): void => {
    const masked = { address: maskAddress(prefix.address, prefix.bits), bits: prefix.bits };
    const key = nodeKey(masked, []);
    if (!nodes.has(key)) nodes.set(key, { prefix: masked, patterns: [] });
  };
  ROOTS.forEach(add);
  const matches = new Set(rules.flatMap(({ peer }) => peer));
  const wanted = new Set<string>();
  for (const match of matches) {
    if (match.kind === "network") [match.prefix, ...match.except].forEach(add);
    if (match.kind === "dns") wanted.add(match.pattern);
  }
  const patterns = [...wanted];
  const prefixes = [...nodes.values()];
  const numbers = new Map([...nodes.keys()].map((key, number) => [key, number]));
  const named = (base: IpPrefix, fitting: readonly string[]): number => {
    const key = nodeKey(base, fitting);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    nodes.set(key, { prefix: base, patterns: fitting });
    numbers.set(key, nodes.size - 1);
    return nodes.size - 1;
  };
  for (const pattern of patterns.length <= MAX_FORESEEN ? patterns : []) {
    const fitting = patternsOf(patterns, [pattern.replaceAll(/[*+]/g, SOME_LABEL)]);
    for (const root of ROOTS) named(root, fitting);
  }
  const byAddress = new Map<string, number>();
  for (const { address, names } of learned) {
    const fitting = patternsOf(patterns, names);
    const base = prefixes[longestPrefix(prefixes, address)]?.prefix;
    if (fitting.length > 0 && base !== undefined) byAddress.set(formatIpAddress(address), named(base, fitting));
  }
  return { nodes: [...nodes.values()], learned: byAddress, patterns };
}

const nodeKey = (prefix: IpPrefix, patterns: readonly string[]): string => [formatIpPrefix(prefix), ...patterns].join(" ");

const patternsOf = (patterns: readonly string[], names: readonly string[]): readonly string[] =>
  patterns.filter((pattern) => names.some((name) => matchesDnsName(pattern, name)));

/** By length of the address: how long prefixes of its family are, longest first, and their positions by their masked octets. */
interface PrefixIndex {
  readonly lengths: readonly number[];
  readonly positions: ReadonlyMap<string, number>;
}

const INDEXES = new WeakMap<readonly NetworkNode[], ReadonlyMap<number, PrefixIndex>>();

function indexOf(nodes: readonly NetworkNode[]): ReadonlyMap<number, PrefixIndex> {
  const known = INDEXES.get(nodes);
  if (known !== undefined) return known;
  const made = new Map<number, { readonly lengths: Set<number>; readonly positions: Map<string, number> }>();
  for (const [position, { prefix, patterns }] of nodes.entries()) {
    if (patterns.length > 0) continue;
    const { address, bits } = prefix;
    const family = made.get(address.length) ?? { lengths: new Set(), positions: new Map() };
    made.set(address.length, family);
    family.lengths.add(bits);
    const key = maskedKey(address, bits);
    if (!family.positions.has(key)) family.positions.set(key, position);
  }
  const index = new Map(
    [...made].map(([size, { lengths, positions }]) => [size, { lengths: [...lengths].sort((a, b) => b - a), positions }] as const),
  );
  INDEXES.set(nodes, index);
  return index;
}

const maskedKey = (address: Uint8Array, bits: number): string => `${bits} ${maskAddress(address, bits).join(".")}`;

/** Position of the longest prefix without patterns that holds an address; -1 when none does. */
function longestPrefix(nodes: readonly NetworkNode[], address: Uint8Array): number {
  const { lengths, positions } = indexOf(nodes).get(address.length) ?? { lengths: [], positions: new Map<string, number>() };
  for (const bits of lengths) {
    const found = positions.get(maskedKey(address, bits));
    if (found !== undefined) return found;
  }
  return -1;
}

/** The node of an address: that of its names where it was learned, otherwise the longest prefix that holds it. */
export const nodeOf = ({ nodes, learned }: Pick<NetworkNodes, "nodes" | "learned">, address: Uint8Array): number =>
  (learned.size === 0 ? undefined : learned.get(formatIpAddress(address))) ?? longestPrefix(nodes, address);

/** The node that an address with these names has; undefined when there is none yet, so that the policies must be compiled again. */
export function nodeOfNames({ nodes, patterns }: NetworkNodes, { address, names }: LearnedAddress): number | undefined {
  const fitting = patternsOf(patterns, names);
  const own = longestPrefix(nodes, address);
  const base = nodes[own];
  if (fitting.length === 0 || base === undefined) return own === -1 ? undefined : own;
  const key = nodeKey(base.prefix, fitting);
  const found = nodes.findIndex((node) => nodeKey(node.prefix, node.patterns) === key);
  return found === -1 ? undefined : found;
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

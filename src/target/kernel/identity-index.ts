/** Which identities a list of alternatives means, found by postings instead of by asking each. */
import type { Endpoint } from "../../policy/access/endpoint.ts";
import { matchesAny, type PeerMatch } from "../../policy/access/peer-match.ts";
import { isDerived } from "../../policy/access/security-labels.ts";
import { unaddressed } from "./network-node.ts";

export class IdentityIndex {
  readonly #identities: readonly Endpoint[];
  readonly #postings = new Map<string, number[]>();
  readonly #found = new WeakMap<readonly PeerMatch[], readonly number[]>();
  readonly #everything: readonly number[];

  constructor(identities: readonly Endpoint[]) {
    this.#identities = identities;
    this.#everything = identities.map((_, identity) => identity);
    for (const [identity, endpoint] of identities.entries()) {
      for (const key of keysOf(endpoint)) {
        const list = this.#postings.get(key);
        if (list === undefined) this.#postings.set(key, [identity]);
        else list.push(identity);
      }
    }
  }

  /** Identities that some alternative means whatever their address is, in ascending order. */
  matching(matches: readonly PeerMatch[]): readonly number[] {
    const known = this.#found.get(matches);
    if (known !== undefined) return known;
    const found = new Set<number>();
    for (const match of matches) {
      const alone = [match];
      for (const identity of this.#candidates(match)) {
        const endpoint = this.#identities[identity];
        if (endpoint !== undefined && matchesAny(alone, unaddressed(endpoint))) found.add(identity);
      }
    }
    const sorted = [...found].sort((a, b) => a - b);
    this.#found.set(matches, sorted);
    return sorted;
  }

  /** The shortest posting that holds all that the alternative can mean. */
  #candidates(match: PeerMatch): readonly number[] {
    const keys = requiredKeys(match);
    if (keys.length === 0) return this.#everything;
    return keys.map((key) => this.#postings.get(key) ?? []).reduce((shortest, list) => (list.length < shortest.length ? list : shortest));
  }
}

const keysOf = ({ kind, name, spiffeId, trustDomain, labels }: Endpoint): readonly string[] => [
  `kind ${kind}`,
  `name ${name}`,
  `id ${spiffeId}`,
  `domain ${trustDomain}`,
  ...beginningsOf(spiffeId).map((beginning) => `under ${beginning}`),
  ...Object.entries(labels).map(([key, value]) => labelKey(key, value)),
];

/** `spiffe://a/b/c` begins with `spiffe://a`, `spiffe://a/b` and itself. */
function beginningsOf(id: string): readonly string[] {
  const segments = id.split("/");
  return segments.slice(3).map((_, index) => segments.slice(0, index + 3).join("/"));
}

const labelKey = (key: string, value: string): string => `label ${JSON.stringify([key, value])}`;

/** Postings in which whoever is meant must be. */
function requiredKeys(match: PeerMatch): readonly string[] {
  switch (match.kind) {
    case "workload":
      return [
        "kind workload",
        ...(match.name === undefined ? [] : [`name ${match.name}`]),
        ...Object.entries(match.labels.matchLabels).map(([key, value]) => labelKey(key, value)),
      ];
    case "spiffe-id": {
      const segments = match.pattern.split("/");
      const wild = segments.findIndex((segment) => segment.startsWith("*"));
      return [wild === -1 ? `id ${match.pattern}` : `under ${segments.slice(0, wild).join("/")}`];
    }
    case "trust-domain":
      return [`domain ${match.domain}`];
    case "security-labels":
      return [
        "kind workload",
        ...Object.entries(match.selector.matchLabels).flatMap(([key, value]) => (isDerived(key) ? [] : [labelKey(key, value)])),
      ];
    case "host":
      return ["kind host"];
    case "remote-node":
      return ["kind node"];
    case "world":
      return ["kind external"];
    default:
      return [];
  }
}

/** What the policies say of a question for a DNS name, and of what may be learned from its answer. */
import { type AccessRule, matchesPorts } from "./access-rule.ts";
import type { AccessSet } from "./access-set.ts";
import { type AccessOptions, type AccessVerdict, decideAccess, decideIngress, isEnforced } from "./decide-access.ts";
import type { Call, Endpoint } from "./endpoint.ts";
import type { NameRule } from "./name-rule.ts";
import { type End, matchesAny, matchesDnsName, type PeerMatch } from "./peer-match.ts";

export interface Lookup {
  readonly source: Endpoint;
  readonly resolver: Endpoint;
  /** 4 or 16 octets. */
  readonly resolverAddress: Uint8Array;
  readonly protocol: "udp" | "tcp";
  readonly port: number;
  /** In lower case, without a final period. */
  readonly name: string;
  /** Whether this host trusts the resolver to tell the truth: it is configured here, and no workload chose it. */
  readonly isTrusted: boolean;
}

export interface LookupVerdict extends AccessVerdict {
  /** Whether the answer may say which addresses have the name. A resolver that a workload found for itself could name any address. */
  readonly isLearned: boolean;
}

/**
 * A question passes when policies allow the resolver with nothing said of names, or when a rule about names allows this one there. Rules that
 * deny the resolver come before both.
 */
export function decideLookup(set: AccessSet, lookup: Lookup, options: AccessOptions): LookupVerdict {
  const call = callOf(lookup);
  const resolver: End = { endpoint: lookup.resolver, address: lookup.resolverAddress, names: [] };
  const own = set.nameRules.filter(
    (rule) => isOfLookup(rule, call, lookup, resolver) && isEnforced(rule.rollout, lookup.source, options.nowMs),
  );
  const isLearned = lookup.isTrusted || own.some(({ resolvers = [] }) => matchesAny(resolvers.filter(isChosen), resolver));
  const bare = decideAccess(set, call, options);
  const { direction, tier } = bare.ground;
  const isUnspoken = direction === "egress" && (tier === "isolation" || tier === "default" || tier === "baseline");
  if (bare.verdict === "allow" || !isUnspoken) return { ...bare, isLearned };
  const allowing = own.find(({ patterns }) => patterns.some((pattern) => matchesDnsName(pattern, lookup.name)));
  if (allowing === undefined) return { ...bare, isLearned };
  const ingress = decideIngress(set, call, options);
  if (ingress.verdict === "deny") return { ...ingress, isLearned };
  return { verdict: "allow", audited: undefined, ground: { direction, tier: "access", origin: allowing.origin }, isLearned };
}

function isOfLookup({ subject, resolvers, ports }: NameRule, call: Call, { isTrusted }: Lookup, resolver: End): boolean {
  return (
    (resolvers === undefined ? isTrusted : matchesAny(resolvers, resolver)) &&
    matchesPorts(ports, call) &&
    matchesAny(subject, { endpoint: call.source, address: call.sourceAddress, names: [] })
  );
}

/** Whether a policy means somebody in particular; where it means anybody, it is the workload that chooses its resolver. */
const isChosen = (match: PeerMatch): boolean =>
  match.kind !== "any" && match.kind !== "world" && !(match.kind === "network" && match.prefix.bits === 0);

const NO_ADDRESS = new Uint8Array();

const callOf = ({ source, resolver, resolverAddress, protocol, port }: Lookup): Call => ({
  source,
  destination: resolver,
  sourceAddress: NO_ADDRESS,
  destinationAddress: resolverAddress,
  destinationNames: [],
  protocol,
  port,
  request: undefined,
  claims: {},
  tenant: "",
  permissions: [],
});

/** Whether policies speak of names where this workload calls, so that its questions must be read. */
export function asksForNames(set: AccessSet, source: Endpoint): boolean {
  const own: End = { endpoint: source, address: NO_ADDRESS, names: [] };
  return (
    source.kind === "workload" &&
    (set.nameRules.some(({ subject }) => matchesAny(subject, own)) ||
      Object.values(set.rules.egress).some((tier) => tier.some((rule) => namesPeer(rule) && matchesAny(rule.subject, own))))
  );
}

/** Whether policies speak of names at all. */
export const speaksOfNames = (set: AccessSet): boolean =>
  set.nameRules.length > 0 || Object.values(set.rules.egress).some((tier) => tier.some(namesPeer));

const namesPeer = ({ peer }: AccessRule): boolean => peer.some(({ kind }) => kind === "dns");

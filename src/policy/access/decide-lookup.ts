/** What the policies say of a question for a DNS name, and of what may be learned from its answer. */
import { matchesPorts } from "./access-rule.ts";
import type { AccessSet } from "./access-set.ts";
import { CompiledAccess } from "./compiled-access.ts";
import { type AccessOptions, type AccessVerdict, isEnforced } from "./decide-access.ts";
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

/** Judges questions by one set. What depends on who asks, and whom, is worked out once for them. */
export class LookupJudge {
  readonly #access: CompiledAccess;
  readonly #set: AccessSet;
  /** By who asks: the rules about names that speak of it. */
  readonly #ofSource = new WeakMap<Endpoint, readonly NameRule[]>();

  constructor(set: AccessSet) {
    this.#set = set;
    this.#access = new CompiledAccess(set);
  }

  /**
   * A question passes when policies allow the resolver with nothing said of names, or when a rule about names allows this one there. Rules that
   * deny the resolver come before both.
   */
  decide(lookup: Lookup, { nowMs }: AccessOptions): LookupVerdict {
    const call = callOf(lookup);
    const resolver: End = { endpoint: lookup.resolver, address: lookup.resolverAddress, names: [] };
    const own = this.#rulesOf(lookup.source).filter(
      (rule) => isOfLookup(rule, call, lookup, resolver) && isEnforced(rule.rollout, lookup.source, nowMs),
    );
    const isLearned = lookup.isTrusted || own.some(({ resolvers = [] }) => matchesAny(resolvers.filter(isChosen), resolver));
    const bare = this.#access.decide(call, nowMs);
    const { direction, tier } = bare.ground;
    const isUnspoken = direction === "egress" && (tier === "isolation" || tier === "default" || tier === "baseline");
    if (bare.verdict === "allow" || !isUnspoken) return { ...bare, isLearned };
    const allowing = own.find(({ patterns }) => patterns.some((pattern) => matchesDnsName(pattern, lookup.name)));
    if (allowing === undefined) return { ...bare, isLearned };
    const ingress = this.#access.decideIngress(call, nowMs);
    if (ingress.verdict === "deny") return { ...ingress, isLearned };
    return { verdict: "allow", audited: undefined, ground: { direction, tier: "access", origin: allowing.origin }, isLearned };
  }

  #rulesOf(source: Endpoint): readonly NameRule[] {
    const known = this.#ofSource.get(source);
    if (known !== undefined) return known;
    const end: End = { endpoint: source, address: NO_ADDRESS, names: [] };
    const own = this.#set.nameRules.filter(({ subject }) => matchesAny(subject, end));
    this.#ofSource.set(source, own);
    return own;
  }
}

/** What a set says of one question. */
export const decideLookup = (set: AccessSet, lookup: Lookup, options: AccessOptions): LookupVerdict =>
  new LookupJudge(set).decide(lookup, options);

const isOfLookup = ({ resolvers, ports }: NameRule, call: Call, { isTrusted }: Lookup, resolver: End): boolean =>
  (resolvers === undefined ? isTrusted : matchesAny(resolvers, resolver)) && matchesPorts(ports, call);

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

const NAMING = new WeakMap<AccessSet, readonly (readonly PeerMatch[])[]>();

/** Whose calls policies judge by names: the subjects of such rules. */
function namingSubjects(set: AccessSet): readonly (readonly PeerMatch[])[] {
  const known = NAMING.get(set);
  if (known !== undefined) return known;
  const rules = Object.values(set.rules.egress).flatMap((tier) => tier.filter(({ peer }) => peer.some(({ kind }) => kind === "dns")));
  const subjects = [...new Set([...set.nameRules, ...rules].map(({ subject }) => subject))];
  NAMING.set(set, subjects);
  return subjects;
}

/** Whether policies speak of names where this workload calls, so that its questions must be read. */
export const asksForNames = (set: AccessSet, source: Endpoint): boolean =>
  source.kind === "workload" &&
  namingSubjects(set).some((subject) => matchesAny(subject, { endpoint: source, address: NO_ADDRESS, names: [] }));

/** Whether policies speak of names at all. */
export const speaksOfNames = (set: AccessSet): boolean => namingSubjects(set).length > 0;

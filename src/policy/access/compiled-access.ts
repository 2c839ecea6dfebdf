/**
 * The process layer: the same decisions as `decideAccess`, for millions of calls a second. What depends on the two ends alone is worked
 * out once for a pair of them; what is left is a list of the few rules that may still matter, with their ports and conditions.
 */
import { createFrame, type Frame } from "../../cel/frame.ts";
import type { CelValue } from "../../cel/value.ts";
import { connectionValue, endpointValue, requestBindings } from "./access-environment.ts";
import { type AccessRule, type Direction, IN_FORCE, type Isolation, matchesPorts, type Rollout } from "./access-rule.ts";
import type { AccessSet } from "./access-set.ts";
import { type AccessVerdict, type Ground, hasExpired, isEnforced } from "./decide-access.ts";
import type { Call, Endpoint } from "./endpoint.ts";
import { type End, matchesPeer, type PeerMatch } from "./peer-match.ts";
import { rolesValue } from "./role-library.ts";
import type { RoleTable } from "./role-table.ts";

/** Pairs of ends whose rules are kept; when there are more, all are worked out anew. */
const MAX_PAIRS = 100_000;

/** A rule of a pair: what its two ends leave to be seen from the call. */
interface Candidate {
  readonly rule: AccessRule;
  /** Alternatives that need the address or the name; undefined: the subject (the peer) is meant. */
  readonly subject: readonly PeerMatch[] | undefined;
  readonly peer: readonly PeerMatch[] | undefined;
  readonly verdict: AccessVerdict;
}

interface IsolationCandidate {
  readonly isolation: Isolation;
  readonly subject: readonly PeerMatch[] | undefined;
  readonly verdict: AccessVerdict;
}

interface DirectionPlan {
  readonly deny: readonly Candidate[];
  readonly admin: readonly Candidate[];
  readonly access: readonly Candidate[];
  readonly isolations: readonly IsolationCandidate[];
  readonly baseline: readonly Candidate[];
  readonly fallback: AccessVerdict;
}

/** Undefined: the end is not governed, so that this direction allows. */
interface PairPlan {
  readonly egress: DirectionPlan | undefined;
  readonly ingress: DirectionPlan | undefined;
  readonly source: CelValue;
  readonly destination: CelValue;
  readonly roles: RoleTable;
}

export class CompiledAccess {
  readonly #set: AccessSet;
  #plans = new WeakMap<Endpoint, Map<Endpoint, PairPlan>>();
  #pairs = 0;

  constructor(set: AccessSet) {
    this.#set = set;
  }

  /** What the policies say of a call at `nowMs` (milliseconds since the epoch). Ends that are the same object share their work. */
  decide(call: Call, nowMs: number): AccessVerdict {
    const plan = this.#planOf(call.source, call.destination);
    const judged: Judged = { call, plan, nowMs, frame: undefined, bindings: NO_BINDINGS, isProposal: false };
    const verdict = decideBoth(judged);
    if (verdict.verdict === "deny" || !this.#set.hasRollouts) return verdict;
    judged.isProposal = true;
    const proposed = decideBoth(judged);
    return proposed.verdict === "deny" ? { ...verdict, audited: proposed.ground } : verdict;
  }

  /** What the policies of the destination say, whatever those of the source do; what is only audited does not count. */
  decideIngress(call: Call, nowMs: number): AccessVerdict {
    const plan = this.#planOf(call.source, call.destination);
    const judged: Judged = { call, plan, nowMs, frame: undefined, bindings: NO_BINDINGS, isProposal: false };
    return plan.ingress === undefined ? ALLOWED : decideDirection(plan.ingress, judged, false);
  }

  #planOf(source: Endpoint, destination: Endpoint): PairPlan {
    const known = this.#plans.get(source)?.get(destination);
    if (known !== undefined) return known;
    if (++this.#pairs > MAX_PAIRS) {
      this.#plans = new WeakMap();
      this.#pairs = 1;
    }
    const plan: PairPlan = {
      egress: planDirection(this.#set, "egress", source, destination),
      ingress: planDirection(this.#set, "ingress", destination, source),
      source: endpointValue(source),
      destination: endpointValue(destination),
      roles: this.#set.roles,
    };
    const ofSource = this.#plans.get(source);
    if (ofSource === undefined) this.#plans.set(source, new Map([[destination, plan]]));
    else ofSource.set(destination, plan);
    return plan;
  }
}

function planDirection(set: AccessSet, direction: Direction, own: Endpoint, other: Endpoint): DirectionPlan | undefined {
  if (own.kind !== "workload") return undefined;
  const verdictOf = (verdict: AccessVerdict["verdict"], ground: Omit<Ground, "direction">): AccessVerdict => ({
    verdict,
    ground: { direction, ...ground },
    audited: undefined,
  });
  const candidates = (rules: readonly AccessRule[]): readonly Candidate[] =>
    rules.flatMap((rule) => {
      const subject = openMatches(rule.subject, own);
      const peer = openMatches(rule.peer, other);
      if (subject === "no" || peer === "no") return [];
      const verdict = verdictOf(rule.action === "deny" ? "deny" : "allow", { tier: rule.tier, origin: rule.origin });
      return [{ rule, subject, peer, verdict }];
    });
  const isolations = set.isolations[direction].flatMap((isolation): readonly IsolationCandidate[] => {
    const subject = openMatches(isolation.subject, own);
    return subject === "no" ? [] : [{ isolation, subject, verdict: verdictOf("deny", { tier: "isolation", origin: isolation.origin }) }];
  });
  const { deny, admin, access, baseline } = set.rules[direction];
  return {
    deny: candidates(deny),
    admin: candidates(admin),
    access: candidates(access),
    isolations,
    baseline: candidates(baseline),
    fallback: verdictOf(set.defaultOf(own), { tier: "default", origin: undefined }),
  };
}

/** What an end's address or names must still show: `undefined` nothing, because one alternative is met; `no` when none can be. */
function openMatches(matches: readonly PeerMatch[], endpoint: Endpoint): readonly PeerMatch[] | undefined | "no" {
  const end: End = { endpoint, address: NO_ADDRESS, names: [] };
  const isOpen = (match: PeerMatch): boolean =>
    match.kind === "network" || match.kind === "dns" || (match.kind === "world" && match.family !== undefined);
  if (matches.some((match) => !isOpen(match) && matchesPeer(match, end))) return undefined;
  const open = matches.filter(isOpen);
  return open.length === 0 ? "no" : open;
}

const NO_ADDRESS = new Uint8Array();

/** One call while it is judged; the frame is made for the first condition and shared by all. */
interface Judged {
  readonly call: Call;
  readonly plan: PairPlan;
  readonly nowMs: number;
  frame: Frame | undefined;
  /** Those of the frame. */
  bindings: Record<string, CelValue>;
  /** Whether what is only audited counts too. */
  isProposal: boolean;
}

const NO_BINDINGS: Record<string, CelValue> = {};
const ALLOWED: AccessVerdict = {
  verdict: "allow",
  ground: { direction: "ingress", tier: "default", origin: undefined },
  audited: undefined,
};

function decideBoth(judged: Judged): AccessVerdict {
  const { egress, ingress } = judged.plan;
  if (egress !== undefined) {
    const verdict = decideDirection(egress, judged, true);
    if (verdict.verdict === "deny") return verdict;
  }
  return ingress === undefined ? ALLOWED : decideDirection(ingress, judged, false);
}

function decideDirection(plan: DirectionPlan, judged: Judged, isEgress: boolean): AccessVerdict {
  for (const candidate of plan.deny) if (applies(candidate, judged, isEgress)) return candidate.verdict;
  if (plan.admin.length > 0) {
    const chosen = firstOfTier(plan.admin, judged, isEgress);
    if (chosen !== undefined && chosen.rule.action !== "pass") return chosen.verdict;
  }
  for (const candidate of plan.access) if (applies(candidate, judged, isEgress)) return candidate.verdict;
  for (const { isolation, subject, verdict } of plan.isolations) {
    if (isInForce(isolation.rollout, judged) && isMet(subject, judged.call, isEgress)) return verdict;
  }
  if (plan.baseline.length > 0) {
    const chosen = firstOfTier(plan.baseline, judged, isEgress);
    if (chosen !== undefined && chosen.rule.action !== "pass") return chosen.verdict;
  }
  return plan.fallback;
}

function applies({ rule, subject, peer }: Candidate, judged: Judged, isEgress: boolean): boolean {
  return (
    matchesPorts(rule.ports, judged.call) &&
    isInForce(rule.rollout, judged) &&
    isMet(subject, judged.call, isEgress) &&
    isMet(peer, judged.call, !isEgress) &&
    holds(rule, judged)
  );
}

const isInForce = (rollout: Rollout, { call, nowMs, isProposal }: Judged): boolean =>
  rollout === IN_FORCE || (isProposal ? !hasExpired(rollout, nowMs) : isEnforced(rollout, call.source, nowMs));

function isMet(open: readonly PeerMatch[] | undefined, call: Call, isSource: boolean): boolean {
  if (open === undefined) return true;
  const end: End = isSource
    ? { endpoint: call.source, address: call.sourceAddress, names: [] }
    : { endpoint: call.destination, address: call.destinationAddress, names: call.destinationNames };
  return open.some((match) => matchesPeer(match, end));
}

/** Closed on failure, as the reference: what is neither true nor false grants nothing and denies. */
function holds({ when, action }: AccessRule, judged: Judged): boolean {
  if (when === undefined) return true;
  const { call, plan, nowMs } = judged;
  if (judged.frame === undefined) {
    judged.bindings = requestBindings(call, plan.source, plan.destination);
    judged.frame = createFrame(judged.bindings);
  }
  const { frame, bindings } = judged;
  frame.cost = 0;
  if (when.variables.has("connection")) bindings["connection"] ??= connectionValue(call);
  if (when.variables.has("roles")) bindings["roles"] ??= rolesValue({ table: plan.roles, nowMs });
  const value = when.program.run(frame);
  return typeof value === "boolean" ? value : action === "deny";
}

const STRENGTH = { deny: 0, allow: 1, pass: 2 } as const;

/** As in the reference: per policy the first, among equals of priority the strictest. */
function firstOfTier(candidates: readonly Candidate[], judged: Judged, isEgress: boolean): Candidate | undefined {
  let best: Candidate | undefined;
  let spoken = "";
  for (const candidate of candidates) {
    const { rule } = candidate;
    if (best !== undefined && rule.priority !== best.rule.priority) return best;
    if (rule.origin.policy === spoken || !applies(candidate, judged, isEgress)) continue;
    spoken = rule.origin.policy;
    if (best === undefined || STRENGTH[rule.action] < STRENGTH[best.rule.action]) best = candidate;
  }
  return best;
}

/**
 * The reference: what the policies say of a call. Every layer, every artifact and every simulation is measured by this function.
 * A call is allowed when the policies for its source (egress) and those for its destination (ingress) both allow it.
 */
import type { Layer } from "./access-environment.ts";
import {
  type AccessRule,
  type Direction,
  type Isolation,
  matchesPorts,
  type PolicyOrigin,
  type Rollout,
  type Tier,
} from "./access-rule.ts";
import type { AccessSet } from "./access-set.ts";
import { type Answer, conditionAt, conditionHolds } from "./condition.ts";
import type { Call, Endpoint } from "./endpoint.ts";
import { type End, matchesAny } from "./peer-match.ts";

export interface AccessVerdict {
  readonly verdict: "allow" | "deny";
  /** What a policy in audit mode, or one that is still rolled out, would have denied. */
  readonly audited: Ground | undefined;
  /** What decided; of two directions the one that denied, or the destination's. */
  readonly ground: Ground;
}

export interface Ground {
  readonly direction: Direction;
  /** `isolation`: the end is selected, and no rule allows this. `default`: no policy speaks of it. */
  readonly tier: Tier | "isolation" | "default";
  /** Undefined for the default. */
  readonly origin: PolicyOrigin | undefined;
}

export interface AccessOptions {
  /** Milliseconds since the epoch: policies expire. */
  readonly nowMs: number;
}

/** What all layers together must decide. */
export const decideAccess = (set: AccessSet, call: Call, { nowMs }: AccessOptions): AccessVerdict =>
  decide(set, call, nowMs, (rule) => conditionHolds(rule, call, { table: set.roles, nowMs }));

/**
 * What one layer decides, when `present` are the layers that enforce for the destination. A layer with another above it lets through
 * what it cannot judge; the highest one lets nothing through that it cannot judge.
 */
export function decideAtLayer(
  set: AccessSet,
  call: Call,
  layer: Layer,
  present: readonly Layer[],
  { nowMs }: AccessOptions,
): AccessVerdict {
  const isHighest = present.at(-1) === layer;
  return decide(set, call, nowMs, (rule) => {
    const answer: Answer = conditionAt(layer, rule, call, { table: set.roles, nowMs });
    return answer === "unknown" ? (rule.action === "deny") === isHighest : answer === "yes";
  });
}

type Holds = (rule: AccessRule) => boolean;

function decide(set: AccessSet, call: Call, nowMs: number, holds: Holds): AccessVerdict {
  const both = (isInForce: (rollout: Rollout) => boolean): Outcome => {
    const egress = decideDirection(set, "egress", call, holds, isInForce);
    return egress.verdict === "deny" ? egress : decideDirection(set, "ingress", call, holds, isInForce);
  };
  const enforced = both((rollout) => isEnforced(rollout, call.source, nowMs));
  if (enforced.verdict === "deny" || !set.hasRollouts) return { ...enforced, audited: undefined };
  const proposed = both((rollout) => !hasExpired(rollout, nowMs));
  return { ...enforced, audited: proposed.verdict === "deny" ? proposed.ground : undefined };
}

export const hasExpired = ({ expiresAtMs }: Rollout, nowMs: number): boolean => expiresAtMs !== undefined && expiresAtMs <= nowMs;

/** Whether a rule is in force for calls of a source, rather than audited or expired. */
export const isEnforced = (rollout: Rollout, source: Endpoint, nowMs: number): boolean =>
  !hasExpired(rollout, nowMs) && (rollout.enforcedPercent >= 100 || shareOf(source) < rollout.enforcedPercent);

/** 0 to 99, always the same for a source; whoever has no name shares one fate. */
function shareOf({ spiffeId, kind, namespace, name }: Endpoint): number {
  const key = spiffeId || `${kind} ${namespace}/${name}`;
  let hash = 0x811c9dc5; // FNV-1a
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  return hash % 100;
}

export interface Outcome {
  readonly verdict: "allow" | "deny";
  readonly ground: Ground;
}

function decideDirection(
  set: AccessSet,
  direction: Direction,
  call: Call,
  holds: Holds,
  isInForce: (rollout: Rollout) => boolean,
): Outcome {
  const own = endOf(call, direction === "egress");
  const other = endOf(call, direction === "ingress");
  // Only workloads are governed; the administrator's rules are about pods, which are workloads.
  if (own.endpoint.kind !== "workload") return { verdict: "allow", ground: { direction, tier: "default", origin: undefined } };
  return decideTiers(set.rules[direction], set.isolations[direction], {
    direction,
    applies: (rule) =>
      isInForce(rule.rollout) &&
      matchesAny(rule.subject, own) &&
      matchesAny(rule.peer, other) &&
      matchesPorts(rule.ports, call) &&
      holds(rule),
    isolates: ({ subject, rollout }) => isInForce(rollout) && matchesAny(subject, own),
    fallback: set.defaultOf(own.endpoint),
  });
}

/** How rules are judged: what they mean is the caller's, in which order they decide is not. */
export interface TierJudge {
  readonly direction: Direction;
  readonly applies: (rule: AccessRule) => boolean;
  readonly isolates: (isolation: Isolation) => boolean;
  readonly fallback: "allow" | "deny";
}

/** The order of the tiers. INVARIANT: the rules of a tier are sorted as in an `AccessSet`. */
export function decideTiers(
  { deny, admin, access, baseline }: AccessSet["rules"][Direction],
  isolations: readonly Isolation[],
  { direction, applies, isolates, fallback }: TierJudge,
): Outcome {
  const outcome = (verdict: "allow" | "deny", tier: Ground["tier"], origin?: PolicyOrigin): Outcome => ({
    verdict,
    ground: { direction, tier, origin },
  });
  const denied = deny.find(applies);
  if (denied !== undefined) return outcome("deny", "deny", denied.origin);
  const byAdmin = firstOfTier(admin, applies);
  if (byAdmin !== undefined && byAdmin.action !== "pass") return outcome(byAdmin.action, "admin", byAdmin.origin);
  const allowed = access.find(applies);
  if (allowed !== undefined) return outcome("allow", "access", allowed.origin);
  const isolation = isolations.find(isolates);
  if (isolation !== undefined) return outcome("deny", "isolation", isolation.origin);
  const byBaseline = firstOfTier(baseline, applies);
  if (byBaseline !== undefined && byBaseline.action !== "pass") return outcome(byBaseline.action, "baseline", byBaseline.origin);
  return outcome(fallback, "default");
}

const endOf = (call: Call, isSource: boolean): End =>
  isSource
    ? { endpoint: call.source, address: call.sourceAddress, names: [] }
    : { endpoint: call.destination, address: call.destinationAddress, names: call.destinationNames };

const STRENGTH = { deny: 0, allow: 1, pass: 2 } as const;

/**
 * The rule that decides in a tier with priorities, if any. INVARIANT: `rules` are sorted by priority, then policy, then order. Of one
 * policy the first rule that applies counts; between policies of the same priority deny wins, then allow.
 */
function firstOfTier(rules: readonly AccessRule[], applies: (rule: AccessRule) => boolean): AccessRule | undefined {
  let best: AccessRule | undefined;
  let spoken = "";
  for (const rule of rules) {
    if (best !== undefined && rule.priority !== best.priority) return best;
    if (rule.origin.policy === spoken || !applies(rule)) continue;
    spoken = rule.origin.policy;
    if (best === undefined || STRENGTH[rule.action] < STRENGTH[best.action]) best = rule;
  }
  return best;
}

/** What it means for a rule that another matches all of its calls: by the order in which `decideTiers` asks. */
import { TIERS } from "../access/access-rule.ts";
import type { LiveRule } from "./rule-cover.ts";

/** What one rule is beside another that covers it. */
export type Relation = "contradiction" | "shadowed" | "redundant";

/** What the others of a direction must be known for. */
export interface TierFacts {
  /** The `pass` rules of the admin tier that may match a call that this rule matches. */
  passesMeeting(inner: LiveRule): Iterable<LiveRule>;
  /** The highest order that a rule of the same policy and tier has in this direction. */
  lastOrderOf(rule: LiveRule): number;
}

/**
 * What is to be said of `inner` when `outer` covers it; undefined when nothing: `inner` may decide. In each other case the rule can be
 * taken away and no verdict changes.
 */
export function relationOf(outer: LiveRule, inner: LiveRule, facts: TierFacts): Relation | undefined {
  const [a, b] = [inner.rule, outer.rule];
  if (a.tier === b.tier) return withinTier(outer, inner, facts);
  if (TIERS.indexOf(b.tier) > TIERS.indexOf(a.tier)) return undefined;
  if (b.tier === "deny") return a.action === "allow" ? "contradiction" : "shadowed";
  if (b.tier === "admin" && (b.action === "pass" || isPassedBefore(outer, inner, facts))) return undefined;
  return "shadowed";
}

function withinTier({ rule: b }: LiveRule, inner: LiveRule, facts: TierFacts): Relation | undefined {
  const a = inner.rule;
  if (a.tier === "deny" || a.tier === "access") return "redundant";
  if (b.origin.policy === a.origin.policy) return b.order < a.order ? "shadowed" : undefined;
  if (b.priority !== a.priority) return b.priority < a.priority ? "shadowed" : undefined;
  // Of one priority deny wins, then allow. An earlier rule of its own policy may speak in place of `b`.
  if (b.order !== 0) return undefined;
  const isLast = facts.lastOrderOf(inner) === a.order;
  if (b.action === a.action) return a.action === "deny" || isLast ? "redundant" : undefined;
  if (b.action === "deny") return "shadowed";
  return b.action === "allow" && a.action === "pass" && isLast ? "shadowed" : undefined;
}

/** Whether a `pass` may take calls of `inner` past `outer`. */
function isPassedBefore({ rule: b }: LiveRule, inner: LiveRule, facts: TierFacts): boolean {
  for (const { rule: pass } of facts.passesMeeting(inner)) {
    const isEarlier = pass.priority === b.priority && pass.origin.policy === b.origin.policy && pass.order < b.order;
    if (pass.priority < b.priority || isEarlier) return true;
  }
  return false;
}

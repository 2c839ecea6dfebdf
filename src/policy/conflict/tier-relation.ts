/** What it means for a rule that another matches all of its calls: by the order in which `decideTiers` asks. */
import { type AccessRule, TIERS } from "../access/access-rule.ts";
import type { Finding } from "./finding.ts";
import { type LiveRule, mayMeet } from "./rule-cover.ts";

/** What the others of a direction must be known for. */
export interface TierFacts {
  /** `pass` rules of the admin tier. */
  readonly passes: readonly LiveRule[];
  /** The highest order of each policy's rules in this direction, by tier and policy. */
  readonly lastOrders: ReadonlyMap<string, number>;
}

export const tierFactsOf = (rules: readonly LiveRule[]): TierFacts => {
  const lastOrders = new Map<string, number>();
  for (const { rule } of rules) lastOrders.set(policyKey(rule), Math.max(rule.order, lastOrders.get(policyKey(rule)) ?? 0));
  return { passes: rules.filter(({ rule }) => rule.tier === "admin" && rule.action === "pass"), lastOrders };
};

const policyKey = ({ tier, origin }: AccessRule): string => `${tier} ${origin.policy}`;

/**
 * What is to be said of `inner` when `outer` covers it; undefined when nothing: `inner` may decide. In each other case the rule can be
 * taken away and no verdict changes.
 */
export function relationOf(outer: LiveRule, inner: LiveRule, facts: TierFacts): Finding["kind"] | undefined {
  const [a, b] = [inner.rule, outer.rule];
  if (a.tier === b.tier) return withinTier(outer, inner, facts);
  if (TIERS.indexOf(b.tier) > TIERS.indexOf(a.tier)) return undefined;
  if (b.tier === "deny") return a.action === "allow" ? "contradiction" : "shadowed";
  if (b.tier === "admin" && (b.action === "pass" || isPassedBefore(outer, inner, facts))) return undefined;
  return "shadowed";
}

function withinTier({ rule: b }: LiveRule, { rule: a }: LiveRule, { lastOrders }: TierFacts): Finding["kind"] | undefined {
  if (a.tier === "deny" || a.tier === "access") return "redundant";
  if (b.origin.policy === a.origin.policy) return b.order < a.order ? "shadowed" : undefined;
  if (b.priority !== a.priority) return b.priority < a.priority ? "shadowed" : undefined;
  // Of one priority deny wins, then allow. An earlier rule of its own policy may speak in place of `b`.
  if (b.order !== 0) return undefined;
  const isLast = lastOrders.get(policyKey(a)) === a.order;
  if (b.action === a.action) return a.action === "deny" || isLast ? "redundant" : undefined;
  if (b.action === "deny") return "shadowed";
  return b.action === "allow" && a.action === "pass" && isLast ? "shadowed" : undefined;
}

/** Whether a `pass` may take calls of `inner` past `outer`. */
const isPassedBefore = ({ rule: b }: LiveRule, inner: LiveRule, { passes }: TierFacts): boolean =>
  passes.some((pass) => {
    const { priority, order, origin } = pass.rule;
    const isBefore = priority < b.priority || (priority === b.priority && origin.policy === b.origin.policy && order < b.order);
    return isBefore && mayMeet(pass, inner);
  });

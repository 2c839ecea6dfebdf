/** The reference's decision over the few rules that may match a call, so that each of many examples is decided by the whole set. */
import type { AccessRule, Isolation, Tier } from "../access/access-rule.ts";
import type { AccessSet } from "../access/access-set.ts";
import { type AccessVerdict, decideAccess } from "../access/decide-access.ts";
import type { Call, Endpoint } from "../access/endpoint.ts";
import type { RuleBook } from "./rule-book.ts";

export interface RuleBooks {
  readonly ingress: RuleBook;
  readonly egress: RuleBook;
}

/** What `decideAccess` says of a call: rules of the set that are left out cannot match it. INVARIANT: the books follow this set. */
export function decideByIndex({ ingress, egress }: RuleBooks, set: AccessSet, call: Call, nowMs: number): AccessVerdict {
  const arriving = narrowed(ingress, call.destination, call.source);
  const leaving = narrowed(egress, call.source, call.destination);
  const few: AccessSet = {
    rules: { ingress: arriving.rules, egress: leaving.rules },
    isolations: { ingress: arriving.isolations, egress: leaving.isolations },
    watches: [],
    nameRules: [],
    roles: set.roles,
    hasRollouts: set.hasRollouts,
    defaultOf: (end) => set.defaultOf(end),
  };
  return decideAccess(few, call, { nowMs });
}

interface Narrowed {
  readonly rules: AccessSet["rules"]["ingress"];
  readonly isolations: readonly Isolation[];
}

function narrowed(book: RuleBook, own: Endpoint, other: Endpoint): Narrowed {
  const rules: { readonly [T in Tier]: AccessRule[] } = { deny: [], admin: [], access: [], baseline: [] };
  for (const { rule } of book.matching(own, other)) rules[rule.tier].push(rule);
  return { rules, isolations: book.isolating(own).map(({ isolation }) => isolation) };
}

/** The reference's decision over the few rules that may match a call, so that each of many examples is decided by the whole set. */
import type { AccessRule, Isolation, Tier } from "../access/access-rule.ts";
import type { AccessSet } from "../access/access-set.ts";
import { type AccessVerdict, decideAccess } from "../access/decide-access.ts";
import type { Call, Endpoint } from "../access/endpoint.ts";
import { type Facts, factsOfEndpoint } from "./anchor.ts";
import type { RuleBook } from "./rule-book.ts";

export interface RuleBooks {
  readonly ingress: RuleBook;
  readonly egress: RuleBook;
}

/** What `decideAccess` says of a call: rules of the set that are left out cannot match it. INVARIANT: the books follow this set. */
export function decideByIndex(books: RuleBooks, set: AccessSet, call: Call, nowMs: number): AccessVerdict {
  const source = { end: call.source, facts: factsOfEndpoint(call.source) };
  const destination = { end: call.destination, facts: factsOfEndpoint(call.destination) };
  const ingress = narrowed(books.ingress, destination, source);
  const egress = narrowed(books.egress, source, destination);
  const few: AccessSet = {
    rules: { ingress: ingress.rules, egress: egress.rules },
    isolations: { ingress: ingress.isolations, egress: egress.isolations },
    watches: [],
    nameRules: [],
    roles: set.roles,
    hasRollouts: set.hasRollouts,
    defaultOf: (end) => set.defaultOf(end),
  };
  return decideAccess(few, call, { nowMs });
}

interface KnownEnd {
  readonly end: Endpoint;
  readonly facts: Facts;
}

interface Narrowed {
  readonly rules: AccessSet["rules"]["ingress"];
  readonly isolations: readonly Isolation[];
}

const NOTHING: Narrowed = { rules: { deny: [], admin: [], access: [], baseline: [] }, isolations: [] };
const byPosition = (a: { readonly position: number }, b: { readonly position: number }): number => a.position - b.position;

/** The rules of a direction that may match, in the order in which they are asked. */
function narrowed(book: RuleBook, own: KnownEnd, other: KnownEnd): Narrowed {
  if (own.end.kind !== "workload") return NOTHING;
  const rules: { readonly [T in Tier]: AccessRule[] } = { deny: [], admin: [], access: [], baseline: [] };
  for (const { rule } of [...book.index.matching(own.facts, other.facts)].sort(byPosition)) rules[rule.tier].push(rule);
  const isolations = [...book.isolations.matching(own.facts, [])].sort(byPosition);
  return { rules, isolations: isolations.map(({ isolation }) => isolation) };
}

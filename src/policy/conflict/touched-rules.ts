/** Which rules are to be examined again when a set, the inventory or the time has changed: those about which something else may be found. */
import type { AccessSet } from "../access/access-set.ts";
import type { Call } from "../access/endpoint.ts";
import { matchesAny } from "../access/peer-match.ts";
import type { Examination } from "./examination.ts";
import type { ExaminedRule } from "./examined-rule.ts";
import type { InventoryChanges } from "./inventory.ts";
import { coversPeers } from "./peer-cover.ts";
import { type Changes, type ExaminedIsolation, hasPriority, type RuleBook } from "./rule-book.ts";
import { covers, mayMeet } from "./rule-cover.ts";
import { placesOf, ruleMatches } from "./sample-call.ts";

export interface BookChanges extends Changes {
  readonly book: RuleBook;
}

/** What an examination is compared with. */
export interface Before {
  /** Undefined for the first one. */
  readonly set: AccessSet | undefined;
  readonly nowMs: number;
}

export interface Touched {
  readonly rules: Set<ExaminedRule>;
  /** Rules that decide calls now and did not, or the other way round. */
  readonly deciders: readonly ExaminedRule[];
}

/** Brings the `why` of each rule of a direction up to date, and says which rules that and the other changes touch. */
export function touchedRules(changes: BookChanges, workloads: InventoryChanges, before: Before, examination: Examination): Touched {
  const { book, added, removed, isolations } = changes;
  const rules = new Set(added);
  const expired = book.expiring(before.nowMs, examination.nowMs);
  const turned = new Set(added);
  for (const each of new Set([...added, ...expired, ...thatMayHaveTurned(book, workloads)])) {
    const { why, seen } = examination.lifeOf(each);
    if (why !== each.why) rules.add(each);
    if ((why === undefined) !== (each.why === undefined)) turned.add(each);
    each.why = why;
    each.seen = seen;
  }
  const deciders = [...added, ...removed, ...expired].filter(({ never }) => never === undefined);
  if (before.set === undefined) return { rules, deciders };
  const movers = [...turned, ...removed.filter(({ why }) => why === undefined)];
  if (movers.length * FEW > book.rules.length) return { rules: new Set(book.rules), deciders };
  for (const mover of movers) touchAround(mover, book, rules);
  touchBaseline(book, isolations, rules);
  return { rules, deciders };
}

/** When more than one in so many rules changed, all are examined. */
const FEW = 8;

/** Rules of which some may be about somebody now and were not, or the other way round. */
function thatMayHaveTurned({ rules }: RuleBook, { added, removed, hasTurned }: InventoryChanges): readonly ExaminedRule[] {
  if (hasTurned) return rules;
  if (added.length === 0 && removed.size === 0) return [];
  return rules.filter(({ why, seen }) => (why !== undefined && added.length > 0) || seen.some((each) => removed.has(each)));
}

function touchAround(mover: ExaminedRule, book: RuleBook, touched: Set<ExaminedRule>): void {
  if (mover.never === undefined)
    for (const inner of book.index.coveredBy(mover))
      if (inner !== mover && !touched.has(inner) && covers(mover, inner) !== "no") touched.add(inner);
  if (!hasPriority(mover.rule)) return;
  for (const sibling of book.siblings(mover)) touched.add(sibling);
  if (mover.rule.tier !== "admin" || mover.rule.action !== "pass") return;
  for (const each of book.rules) if (each.asksPasses && !touched.has(each) && mayMeet(mover, each)) touched.add(each);
}

function touchBaseline(book: RuleBook, isolations: readonly ExaminedIsolation[], touched: Set<ExaminedRule>): void {
  if (isolations.length === 0) return;
  for (const each of book.ofPriorities()) {
    if (each.rule.tier !== "baseline" || touched.has(each)) continue;
    const place = placesOf(each.rule).subject;
    if (isolations.some(({ isolation }) => coversPeers(isolation.subject, each.subject, place))) touched.add(each);
  }
}

/** Rules whose example may be decided otherwise than before. */
export function touchedByDecisions(
  changes: readonly (BookChanges & { readonly touched: Touched })[],
  before: AccessSet,
  { set }: Examination,
): void {
  const mayDecide = changes.map(({ book, isolations, touched }) => deciderTest(book, isolations, touched.deciders));
  const isTouched = (call: Call): boolean =>
    mayDecide.some((test) => test(call)) || [call.source, call.destination].some((end) => before.defaultOf(end) !== set.defaultOf(end));
  for (const { book, touched } of changes) {
    for (const { rule: each, finding, clash } of book.noted) {
      if (touched.rules.has(each)) continue;
      if ([finding, clash].some((found) => found?.witness !== undefined && isTouched(found.witness.call))) touched.rules.add(each);
    }
  }
}

/** When more changed, every example is decided anew. */
const MAX_TRIED = 16;

function deciderTest(
  { direction }: RuleBook,
  isolations: readonly ExaminedIsolation[],
  deciders: readonly ExaminedRule[],
): (call: Call) => boolean {
  if (deciders.length + isolations.length > MAX_TRIED) return () => true;
  return (call) => {
    const end =
      direction === "ingress"
        ? { endpoint: call.destination, address: call.destinationAddress, names: call.destinationNames }
        : { endpoint: call.source, address: call.sourceAddress, names: [] };
    return deciders.some(({ rule }) => ruleMatches(rule, call)) || isolations.some(({ isolation }) => matchesAny(isolation.subject, end));
  };
}

/**
 * Finds rules that contradict, shadow or repeat others, or that match nobody. What is said holds for workloads that do not exist yet:
 * it rests on what is written. Every example is a call that was really decided.
 */
import { type AccessRule, type Direction, IN_FORCE, TIERS } from "../access/access-rule.ts";
import type { AccessSet } from "../access/access-set.ts";
import { decideAccess, hasExpired } from "../access/decide-access.ts";
import type { Endpoint } from "../access/endpoint.ts";
import type { Conflicts, Finding, Witness } from "./finding.ts";
import { Inventory } from "./inventory.ts";
import { coversPeers } from "./peer-cover.ts";
import { covers, type LiveRule, liveRule, whyNever } from "./rule-cover.ts";
import { RuleIndex } from "./rule-index.ts";
import { placesOf, ruleMatches, sampleCalls } from "./sample-call.ts";
import { relationOf, type TierFacts, tierFactsOf } from "./tier-relation.ts";

export interface ConflictOptions {
  /** Milliseconds since the epoch: policies expire. */
  readonly nowMs: number;
  /** The workloads that there are; without them only what can never exist is dead. */
  readonly inventory?: readonly Endpoint[];
  /** Default 5,000,000. */
  readonly maxPairs?: number;
}

const MAX_PAIRS = 5_000_000;
/** Calls on which a finding about all calls is tried before it is told. */
const BOUNDARY_SAMPLES = 8;

interface Search {
  readonly set: AccessSet;
  readonly nowMs: number;
  readonly inventory: Inventory | undefined;
  readonly findings: Finding[];
  pairsLeft: number;
  unknown: number;
}

export function findConflicts(set: AccessSet, { nowMs, inventory, maxPairs = MAX_PAIRS }: ConflictOptions): Conflicts {
  const known = inventory && new Inventory(inventory);
  const search: Search = { set, nowMs, inventory: known, findings: [], pairsLeft: maxPairs, unknown: 0 };
  const ofDirection = (direction: Direction): readonly AccessRule[] => TIERS.flatMap((tier) => set.rules[direction][tier]);
  const [ingress, egress] = [ofDirection("ingress"), ofDirection("egress")];
  for (const rules of [ingress, egress]) searchDirection(rules, search);
  return {
    findings: search.findings.sort(inOrder),
    rules: ingress.length + egress.length,
    unknown: search.unknown,
    isComplete: search.pairsLeft >= 0,
  };
}

const GRAVITY: { readonly [S in Finding["severity"]]: number } = { error: 0, warning: 1, note: 2 };
const PLACES = new Intl.Collator("en", { numeric: true });

const inOrder = (a: Finding, b: Finding): number =>
  GRAVITY[a.severity] - GRAVITY[b.severity] || PLACES.compare(a.rule.source, b.rule.source);

function searchDirection(rules: readonly AccessRule[], search: Search): void {
  const all = rules.map(liveRule);
  const alive = all.filter((each) => {
    const why = whyDead(each, search);
    if (why !== undefined) search.findings.push(deadFinding(each, why, whyNever(each) !== undefined, search));
    return why === undefined;
  });
  const index = new RuleIndex(alive);
  const facts = tierFactsOf(all);
  const told = new Set<LiveRule>();
  for (const inner of alive) {
    const finding = strongest(inner, index, facts, search);
    if (finding === undefined) continue;
    told.add(inner);
    search.findings.push(finding);
  }
  searchEqualPriorities(
    alive.filter((each) => !told.has(each)),
    search,
  );
}

function whyDead(each: LiveRule, { nowMs, inventory }: Search): string | undefined {
  const { rule, subject, peer } = each;
  if (hasExpired(rule.rollout, nowMs)) return "it has expired";
  const never = whyNever(each);
  if (never !== undefined || inventory === undefined) return never;
  if (!subject.some((match) => inventory.mayMean(match))) return "it is about no workload of the inventory";
  return peer.some((match) => inventory.mayMean(match)) ? undefined : "no workload of the inventory is the other end that it names";
}

/** What is dead by the inventory alone is shown with the call that would match if there were such a workload. */
function deadFinding({ rule }: LiveRule, why: string, isForever: boolean, search: Search): Finding {
  const rest = rule.tier === "access" ? "; whom its policy selects stays default-deny" : "";
  return {
    kind: "dead",
    severity: "warning",
    rule: rule.origin,
    against: undefined,
    message: `matches no call: ${why}${rest}`,
    witness: isForever ? undefined : witnessOf([rule], search),
  };
}

const WEIGHT: { readonly [K in Finding["kind"]]: number } = { contradiction: 0, shadowed: 1, redundant: 2, dead: 3 };

/** The gravest of what the others make of a rule. */
function strongest(inner: LiveRule, index: RuleIndex, facts: TierFacts, search: Search): Finding | undefined {
  let best: { readonly kind: Finding["kind"]; readonly outer: LiveRule } | undefined;
  let isUnknown = false;
  for (const outer of index.candidates(inner)) {
    if (outer === inner) continue;
    if (search.pairsLeft-- <= 0) break;
    const kind = relationOf(outer, inner, facts);
    if (kind === undefined || (best !== undefined && !isGraver(kind, outer, best))) continue;
    const answer = covers(outer, inner);
    if (answer === "unknown") isUnknown = true;
    // Of two that say the same the later is redundant, not both.
    if (answer !== "yes" || (kind === "redundant" && outer.position > inner.position && covers(inner, outer) === "yes")) continue;
    best = { kind, outer };
  }
  if (best === undefined) {
    const isolated = isolationBefore(inner, search);
    if (isolated !== undefined) return isolated;
    if (isUnknown) search.unknown++;
    return undefined;
  }
  const finding = findingOf(best.kind, best.outer, inner, search);
  if (finding === undefined) search.unknown++;
  return finding;
}

/** A rule of the baseline is never asked for whom some policy of the access tier makes default-deny. */
function isolationBefore({ rule, subject }: LiveRule, search: Search): Finding | undefined {
  if (rule.tier !== "baseline") return undefined;
  const place = placesOf(rule).subject;
  for (const { origin, rollout, subject: isolated } of search.set.isolations[rule.direction]) {
    if (search.pairsLeft-- <= 0) return undefined;
    if (rollout !== IN_FORCE || !coversPeers(isolated, subject, place)) continue;
    return {
      kind: "shadowed",
      severity: "warning",
      rule: rule.origin,
      against: origin,
      message: `never decides: \`${origin.policy}\` makes everyone whom it is about default-deny, before the baseline is asked`,
      witness: witnessOf([rule], search),
    };
  }
  return undefined;
}

const isGraver = (
  kind: Finding["kind"],
  { position }: LiveRule,
  best: { readonly kind: Finding["kind"]; readonly outer: LiveRule },
): boolean => WEIGHT[kind] < WEIGHT[best.kind] || (kind === best.kind && position < best.outer.position);

/** The finding, tried on calls; undefined when a call disagrees, or when a contradiction cannot be shown. */
function findingOf(kind: Finding["kind"], outer: LiveRule, inner: LiveRule, search: Search): Finding | undefined {
  const { rule } = inner;
  const samples = sampleCalls([rule], BOUNDARY_SAMPLES);
  if (samples.some((call) => !ruleMatches(outer.rule, call))) return undefined;
  const witness = witnessOf([rule, outer.rule], search);
  if (kind === "contradiction" && witness?.verdict !== "deny") return undefined;
  return {
    kind,
    severity: kind === "contradiction" ? "error" : kind === "shadowed" ? "warning" : "note",
    rule: rule.origin,
    against: outer.rule.origin,
    message: messageOf(kind, outer, inner),
    witness,
  };
}

const DOES: { readonly [A in AccessRule["action"]]: string } = { allow: "allows", deny: "denies", pass: "passes on" };

function messageOf(kind: Finding["kind"], { rule: outer }: LiveRule, { rule }: LiveRule): string {
  const other = `\`${[outer.origin.policy, outer.origin.rule].filter((part) => part !== "").join(" ")}\``;
  if (kind === "contradiction") return `allows only what ${other} denies: it grants nothing`;
  if (kind === "shadowed") return `never decides: ${other} is asked before it, for each call that it matches`;
  return `${other} ${DOES[outer.action]} all that it ${DOES[rule.action]}`;
}

/** Allows and denies of the administrator of one priority that meet: which of them decides was left to the rule that deny wins. */
function searchEqualPriorities(alive: readonly LiveRule[], search: Search): void {
  const groups = Map.groupBy(
    alive.filter(({ rule }) => (rule.tier === "admin" || rule.tier === "baseline") && rule.action !== "pass"),
    ({ rule }) => `${rule.tier} ${rule.priority}`,
  );
  for (const group of groups.values()) {
    const denies = group.filter(({ rule }) => rule.action === "deny");
    for (const allow of group.filter(({ rule }) => rule.action === "allow")) {
      for (const deny of denies) {
        if (deny.rule.origin.policy === allow.rule.origin.policy) continue;
        if (search.pairsLeft-- <= 0) return;
        const witness = witnessOf([allow.rule, deny.rule], search);
        if (witness === undefined) continue;
        search.findings.push({
          kind: "contradiction",
          severity: "warning",
          rule: allow.rule.origin,
          against: deny.rule.origin,
          message: `allows what \`${deny.rule.origin.policy}\` denies with the same priority ${allow.rule.priority}`,
          witness,
        });
        break;
      }
    }
  }
}

function witnessOf(rules: readonly AccessRule[], { set, nowMs }: Search): Witness | undefined {
  const [call] = sampleCalls(rules, 1);
  if (call === undefined) return undefined;
  const { verdict, ground } = decideAccess(set, call, { nowMs });
  return { call, verdict, ground };
}

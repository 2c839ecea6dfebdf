/** The gravest that can be said of one rule, beside all the others of its direction. */
import type { AccessRule } from "../access/access-rule.ts";
import { type Examination, isWhole } from "./examination.ts";
import type { ExaminedRule } from "./examined-rule.ts";
import { type Finding, sameFinding } from "./finding.ts";
import { coversPeers } from "./peer-cover.ts";
import type { RuleBook } from "./rule-book.ts";
import { covers } from "./rule-cover.ts";
import { placesOf, ruleMatches, sampleCalls } from "./sample-call.ts";
import { type Relation, relationOf } from "./tier-relation.ts";

/** Calls on which a finding about all calls is tried before it is told. */
const BOUNDARY_SAMPLES = 8;

/** Finds anew what is to be said of a rule, and notes it there. INVARIANT: its `why` is up to date, and that of all others too. */
export function examineRule(examined: ExaminedRule, book: RuleBook, examination: Examination): void {
  examined.isUnknown = false;
  examined.isIncomplete = false;
  examined.asksPasses = false;
  const found = examined.why === undefined ? strongest(examined, book, examination) : deadFinding(examined, examined.why, examination);
  if (!sameFinding(examined.finding, found)) examined.finding = found;
}

/** What is dead by the inventory alone is shown with the call that would match if there were such a workload. */
function deadFinding({ rule, never }: ExaminedRule, why: string, examination: Examination): Finding {
  const rest = rule.tier === "access" ? "; whom its policy selects stays default-deny" : "";
  return {
    kind: "dead",
    severity: "warning",
    rule: rule.origin,
    direction: rule.direction,
    against: undefined,
    message: `matches no call: ${why}${rest}`,
    witness: never === undefined ? examination.witnessOf([rule]) : undefined,
  };
}

const WEIGHT: { readonly [K in Relation]: number } = { contradiction: 0, shadowed: 1, redundant: 2 };

interface Related {
  readonly kind: Relation;
  readonly outer: ExaminedRule;
}

function strongest(inner: ExaminedRule, book: RuleBook, examination: Examination): Finding | undefined {
  const facts = examination.factsFor(inner, book);
  let best: Related | undefined;
  for (const outer of book.index.covering(inner)) {
    if (outer === inner || outer.why !== undefined) continue;
    if (examination.pairsLeft-- <= 0) {
      inner.isIncomplete = true;
      break;
    }
    const kind = relationOf(outer, inner, facts);
    if (kind === undefined || (best !== undefined && !isGraver({ kind, outer }, best))) continue;
    const answer = covers(outer, inner);
    if (answer === "unknown") inner.isUnknown = true;
    // Of two that say the same the later is redundant, not both.
    if (answer !== "yes" || (kind === "redundant" && outer.position > inner.position && covers(inner, outer) === "yes")) continue;
    best = { kind, outer };
  }
  if (best === undefined) return isolationBefore(inner, book, examination);
  const finding = findingOf(best, inner, examination);
  inner.isUnknown = finding === undefined;
  return finding;
}

const isGraver = (one: Related, other: Related): boolean =>
  WEIGHT[one.kind] < WEIGHT[other.kind] || (one.kind === other.kind && one.outer.position < other.outer.position);

/** A rule of the baseline is never asked for whom some policy of the access tier makes default-deny. */
function isolationBefore(inner: ExaminedRule, { isolations }: RuleBook, examination: Examination): Finding | undefined {
  const { rule, subject } = inner;
  if (rule.tier !== "baseline") return undefined;
  const place = placesOf(rule).subject;
  const covering = isolations
    .covering(inner)
    .filter(({ isolation }) => isWhole(isolation) && coversPeers(isolation.subject, subject, place));
  const [first, ...others] = covering;
  if (first === undefined) return undefined;
  const { origin } = others.reduce((best, other) => (other.position < best.position ? other : best), first).isolation;
  inner.isUnknown = false;
  return {
    kind: "shadowed",
    severity: "warning",
    rule: rule.origin,
    direction: rule.direction,
    against: origin,
    message: `never decides: \`${origin.policy}\` makes everyone whom it is about default-deny, before the baseline is asked`,
    witness: examination.witnessOf([rule]),
  };
}

/** The finding, tried on calls; undefined when a call disagrees, or when a contradiction cannot be shown. */
function findingOf({ kind, outer }: Related, { rule }: ExaminedRule, examination: Examination): Finding | undefined {
  const samples = sampleCalls([rule], BOUNDARY_SAMPLES);
  if (samples.some((call) => !ruleMatches(outer.rule, call))) return undefined;
  // What `outer` covers it matches, too; only where no sample could be made both are tried together.
  const [sample] = samples;
  const witness = sample === undefined ? examination.witnessOf([rule, outer.rule]) : examination.witness(sample);
  if (kind === "contradiction" && witness?.verdict !== "deny") return undefined;
  return {
    kind,
    severity: kind === "contradiction" ? "error" : kind === "shadowed" ? "warning" : "note",
    rule: rule.origin,
    direction: rule.direction,
    against: outer.rule.origin,
    message: messageOf(kind, outer.rule, rule),
    witness,
  };
}

const DOES: { readonly [A in AccessRule["action"]]: string } = { allow: "allows", deny: "denies", pass: "passes on" };

function messageOf(kind: Relation, outer: AccessRule, rule: AccessRule): string {
  const other = `\`${[outer.origin.policy, outer.origin.rule].filter((part) => part !== "").join(" ")}\``;
  if (kind === "contradiction") return `allows only what ${other} denies: it grants nothing`;
  if (kind === "shadowed") return `never decides: ${other} is asked before it, for each call that it matches`;
  return `${other} ${DOES[outer.action]} all that it ${DOES[rule.action]}`;
}

/** What calls that were seen say about policies: calls that none allows, policies that none has used, labels that disagree, and paths. */
import type { AccessRule } from "../access/access-rule.ts";
import { conditionHolds } from "../access/condition.ts";
import { hasExpired } from "../access/decide-access.ts";
import type { Call } from "../access/endpoint.ts";
import { CallGraph, endTitle, type PathStep } from "./call-graph.ts";
import type { EdgeLabels } from "./edge-labels.ts";
import type { Examination } from "./examination.ts";
import type { ExaminedRule } from "./examined-rule.ts";
import type { Finding, Witness } from "./finding.ts";
import { MeetIndex } from "./meet-index.ts";
import type { RuleBook } from "./rule-book.ts";
import { connectionMatches } from "./sample-call.ts";

export interface Traffic {
  /** Calls that were seen, each once. Who saw them knows nothing of claims, tenants and permissions, and of requests where there is none. */
  readonly calls: readonly Call[];
  /** By the name of the policy: labels of the calls that it allows. */
  readonly edgeLabels: ReadonlyMap<string, EdgeLabels>;
}

export interface TrafficReport {
  readonly findings: readonly Finding[];
  /** Calls of which it cannot be said whether some policy allows them. */
  readonly unknownCalls: number;
  /** Whether no limit ended the search. */
  readonly isComplete: boolean;
  /** The path to a call that was seen and that a rule matches. */
  pathOf(finding: Finding): readonly PathStep[] | undefined;
}

export function examineTraffic({ calls, edgeLabels }: Traffic, books: readonly RuleBook[], examination: Examination): TrafficReport {
  const graph = new CallGraph();
  const firstCallOf = new Map<AccessRule, Call>();
  const labelsOf = new Map<Call, PathStep["labels"]>();
  const findings: Finding[] = [];
  const told = new Set<string>();
  let unknownCalls = 0;
  for (const call of calls) {
    const touching = books.flatMap((book) => rulesFor(call, book, examination));
    const matching = touching.filter((rule) => isUnseen(rule, call) || conditionHolds(rule, call));
    for (const rule of matching) if (!firstCallOf.has(rule)) firstCallOf.set(rule, call);
    const labels = mergedLabels(matching, edgeLabels);
    labelsOf.set(call, labels);
    const witness = examination.witness(call);
    const gap = gapOf(witness);
    if (witness.verdict === "allow") graph.add(call, labels);
    else if (gap !== undefined && matching.some((rule) => rule.action === "allow" && isUnseen(rule, call))) unknownCalls++;
    else if (gap !== undefined && !told.has(gap.message)) {
      told.add(gap.message);
      findings.push(gap);
    }
  }
  if (calls.length > 0) for (const book of books) findings.push(...unusedIn(book, firstCallOf, calls.length));
  for (const book of books) findings.push(...labelClashes(book, edgeLabels, examination));
  const byOrigin = new Map<string, Call>();
  for (const [rule, call] of firstCallOf) byOrigin.set(originKey(rule.direction, rule.origin.source, rule.origin.rule), call);
  return {
    findings,
    unknownCalls,
    isComplete: examination.pairsLeft >= 0,
    pathOf: ({ kind, rule, direction, witness }) => {
      const call = kind === "gap" ? witness?.call : byOrigin.get(originKey(direction, rule.source, rule.rule));
      return call && graph.pathTo(call, labelsOf.get(call) ?? {});
    },
  };
}

const originKey = (direction: string, source: string, rule: string): string => JSON.stringify([direction, source, rule]);

/** Rules that are about the ends and the port of a call. */
function rulesFor(call: Call, book: RuleBook, { nowMs }: Examination): readonly AccessRule[] {
  const [own, other] = book.direction === "ingress" ? [call.destination, call.source] : [call.source, call.destination];
  return book.matching(own, other).flatMap(({ rule }) => (!hasExpired(rule.rollout, nowMs) && connectionMatches(rule, call) ? [rule] : []));
}

const UNSEEN_VARIABLES = ["claims", "tenant", "permissions"];
/** Of a request: headers, query and host are not recorded. */
const SEEN_OF_REQUEST: ReadonlySet<string> = new Set(["method", "path"]);

/** Whether the condition of a rule asks what nobody saw. */
function isUnseen({ when }: AccessRule, { request }: Call): boolean {
  if (when === undefined) return false;
  if (UNSEEN_VARIABLES.some((name) => when.variables.has(name))) return true;
  return request === undefined ? when.variables.has("request") : [...when.requestFields].some((field) => !SEEN_OF_REQUEST.has(field));
}

function mergedLabels(rules: readonly AccessRule[], edgeLabels: Traffic["edgeLabels"]): PathStep["labels"] {
  const merged = new Map<string, Set<string>>();
  for (const { action, origin } of rules) {
    if (action !== "allow") continue;
    for (const [name, value] of Object.entries(edgeLabels.get(origin.policy) ?? {}))
      merged.set(name, (merged.get(name) ?? new Set()).add(value));
  }
  return Object.fromEntries([...merged].map(([name, values]) => [name, [...values]]));
}

/** A call that is denied since nobody thought of it; one that a policy denies is as it should be. */
function gapOf(witness: Witness): Finding | undefined {
  const { call, verdict, ground } = witness;
  if (verdict === "allow" || (ground.tier !== "isolation" && ground.tier !== "default")) return undefined;
  const ends = `${endTitle(call.source, call.sourceAddress)} → ${endTitle(call.destination, call.destinationAddress)}`;
  const what = call.request === undefined ? "" : `, ${call.request.method} ${call.request.path}`;
  return {
    kind: "gap",
    severity: "warning",
    rule: ground.origin ?? { policy: "default", rule: "", source: "" },
    direction: ground.direction,
    against: undefined,
    message: `${ends}, ${call.protocol} ${call.port}${what} was seen, and no policy allows it`,
    witness,
  };
}

const unusedIn = ({ rules }: RuleBook, used: ReadonlyMap<AccessRule, Call>, seen: number): readonly Finding[] =>
  rules.flatMap(({ rule, why }): readonly Finding[] =>
    rule.tier !== "access" || why !== undefined || used.has(rule)
      ? []
      : [
          {
            kind: "unused",
            severity: "note",
            rule: rule.origin,
            direction: rule.direction,
            against: undefined,
            message: `allows what was not seen: none of ${seen} ${seen === 1 ? "call" : "calls"} used it`,
            witness: undefined,
          },
        ],
  );

/** Pairs of allows that meet and give one label different values. */
function labelClashes(book: RuleBook, edgeLabels: Traffic["edgeLabels"], examination: Examination): readonly Finding[] {
  const labelled = book.rules.filter(
    ({ rule, why, never }) => why === undefined && never === undefined && rule.action === "allow" && edgeLabels.has(rule.origin.policy),
  );
  if (labelled.length < 2) return [];
  const index = new MeetIndex(labelled);
  return labelled.flatMap((later): readonly Finding[] => {
    for (const earlier of new Set(index.candidates(later))) {
      if (earlier.position >= later.position) continue;
      if (examination.pairsLeft-- <= 0) return [];
      const name = disagreement(edgeLabels.get(earlier.rule.origin.policy), edgeLabels.get(later.rule.origin.policy));
      if (name === undefined) continue;
      const found = clashBetween(earlier, later, name, edgeLabels, examination);
      if (found !== undefined) return [found];
    }
    return [];
  });
}

const disagreement = (a: EdgeLabels = {}, b: EdgeLabels = {}): string | undefined =>
  Object.keys(a).find((name) => Object.hasOwn(b, name) && a[name] !== b[name]);

function clashBetween(
  { rule: first }: ExaminedRule,
  { rule: second }: ExaminedRule,
  name: string,
  edgeLabels: Traffic["edgeLabels"],
  examination: Examination,
): Finding | undefined {
  const witness = examination.witnessOf([first, second]);
  if (witness === undefined || witness.verdict === "deny") return undefined;
  const valueIn = ({ origin }: AccessRule): string => edgeLabels.get(origin.policy)?.[name] ?? "";
  const isOrdered = first.tier !== second.tier || first.priority !== second.priority;
  const rest = isOrdered ? `\`${first.origin.policy}\` is asked first, so that its value counts` : "nothing says which of them counts";
  return {
    kind: "label-clash",
    severity: isOrdered ? "note" : "warning",
    rule: second.origin,
    direction: second.direction,
    against: first.origin,
    message: `gives \`${name}\` the value \`${valueIn(second)}\`, for calls to which \`${first.origin.policy}\` gives \`${valueIn(first)}\`: ${rest}`,
    witness,
  };
}

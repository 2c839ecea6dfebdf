/** Judges the subjects of a suite, as Kyverno's command line does: mutation first, then validation of what came of it. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { JsonObject } from "../../lib/json.ts";
import type { MatchResources } from "../../resource/match-resources.ts";
import type { CompiledPolicy } from "../compiled-policy.ts";
import { type JudgeOptions, judgeDocumentPolicies, judgePolicies } from "../judge.ts";
import { judgeTarget } from "../judge-target.ts";
import { selectsEverything } from "../label-match.ts";
import type { PolicyResult } from "../policy-result.ts";
import type { Operation, Review, World } from "../review.ts";
import { type ObjectReviewOptions, reviewOfObject } from "../review-of.ts";
import type { Snapshot } from "../snapshot.ts";
import { type PolicyResponse, type RuleOutcome, subjectKey, type TestResponses } from "./check-results.ts";
import type { Suite } from "./load-suite.ts";
import type { ResultStatus } from "./test-file.ts";

/** What a suite is judged with. */
export interface Judging {
  readonly suite: Suite;
  readonly snapshot: Snapshot;
  readonly world: World;
  readonly resourceTypeOf: ObjectReviewOptions["resourceTypeOf"];
}

const OPTIONS: JudgeOptions = { phase: "admit", trigger: "any", unknownNamespaces: "bare" };

export function judgeSuite(judging: Judging, diagnostics: Diagnostic[]): TestResponses {
  const { suite, snapshot, world } = judging;
  const triggers = new Map<string, readonly PolicyResponse[]>();
  const targets = new Map<string, PolicyResponse[]>();
  const reviews = withoutDuplicates(suite.subjects.flatMap((object) => reviewOf(object, judging, suite.values.operation, diagnostics)));
  for (const review of reviews) {
    triggers.set(keyOf(review), judgeSubject(review, judging));
    for (const target of suite.targets) judgeTargetOf(review, target, judging, targets, diagnostics);
  }
  for (const { name, document } of suite.payloads) {
    const results: PolicyResult[] = [];
    judgeDocumentPolicies(snapshot, document, world, (result) => results.push(result));
    triggers.set(name, responsesOf(snapshot.json, results, document));
  }
  return { triggers, triggersByOperation: byOperation(judging, diagnostics), targets, notJudged: suite.notJudged };
}

/** The subjects once more for each operation that a result names. */
function byOperation(judging: Judging, diagnostics: Diagnostic[]): TestResponses["triggersByOperation"] {
  const { suite } = judging;
  const operations = new Set(suite.test.results.map(({ operation }) => operation).filter((operation) => operation !== undefined));
  return new Map(
    [...operations].map((operation) => {
      const reviews = withoutDuplicates(suite.subjects.flatMap((object) => reviewOf(object, judging, operation, diagnostics)));
      return [operation, new Map(reviews.map((review) => [keyOf(review), judgeSubject(review, judging)]))];
    }),
  );
}

const keyOf = ({ object, oldObject }: Review): string => subjectKey(object ?? oldObject ?? {});

/** The first of several objects with one name. */
function withoutDuplicates(reviews: readonly Review[]): readonly Review[] {
  const byKey = new Map<string, Review>();
  for (const review of reviews) if (!byKey.has(keyOf(review))) byKey.set(keyOf(review), review);
  return [...byKey.values()];
}

function reviewOf(
  object: JsonObject,
  { suite, resourceTypeOf }: Judging,
  operation: Operation | undefined,
  diagnostics: Diagnostic[],
): readonly Review[] {
  const { subresources } = suite.values;
  const own = { apiVersion: String(object["apiVersion"]), kind: String(object["kind"]) };
  const subresource = subresources.find(
    ({ kind }) => kind.kind === own.kind && (kind.group === "" ? kind.version : `${kind.group}/${kind.version}`) === own.apiVersion,
  );
  const review = reviewOfObject(object, {
    resourceTypeOf,
    operation: operation ?? "CREATE",
    userInfo: suite.userInfo ?? { username: "" },
    ...(subresource === undefined ? {} : { kind: subresource.parent, subResource: subresource.subResource }),
  });
  if (review.ok) return [review.value];
  diagnostics.push({
    code: review.error.code,
    severity: "error",
    message: review.error.message,
    file: suite.directory,
    line: 1,
    column: 1,
    length: 1,
  });
  return [];
}

function judgeSubject(review: Review, { snapshot, world }: Judging): readonly PolicyResponse[] {
  const results: PolicyResult[] = [];
  const object = judgePolicies(snapshot, review, world, OPTIONS, (result) => results.push(result));
  const subject = object ?? review.oldObject ?? {};
  judgeDocumentPolicies(snapshot, subject, world, (result) => results.push(result));
  return responsesOf(snapshot.policies, results, subject);
}

const responsesOf = (
  policies: readonly CompiledPolicy[],
  results: readonly PolicyResult[],
  object: JsonObject,
): readonly PolicyResponse[] => policies.map((policy) => responseOf(policy, results, object)).filter((response) => response !== undefined);

/** What a policy did with a subject; undefined when it is as if the policy were not there. */
function responseOf(policy: CompiledPolicy, results: readonly PolicyResult[], object: JsonObject): PolicyResponse | undefined {
  const own = results.filter((result) => result.policy === policy);
  if (own.length === 0 && !isHeardOf(policy)) return undefined;
  const outcomes = own.map((result) => outcomeOf(result, object));
  // Several bindings or parameters make one result: the gravest.
  const gravest = GRAVITY.flatMap((status) => outcomes.filter((outcome) => outcome.status === status))[0];
  return { policy: policy.name, outcomes: gravest === undefined ? [] : [gravest] };
}

const GRAVITY: readonly ResultStatus[] = ["error", "fail", "warn", "pass", "skip"];

/**
 * Whether Kyverno's command line mentions a policy that does not apply. Then whatever is expected of it counts as right; of
 * others, nothing is found.
 */
function isHeardOf(policy: CompiledPolicy): boolean {
  if (policy.kind === "ValidatingAdmissionPolicy") return true;
  if (policy.kind === "MutatingAdmissionPolicy" || policy.mode === "JSON" || policy.constraints === undefined) return false;
  return !isPlain(policy.constraints);
}

/** One rule, without names, selectors and exclusions. */
function isPlain({ namespaceSelector, objectSelector, excludeResourceRules, resourceRules }: MatchResources): boolean {
  const selectsAll = selectsEverything(namespaceSelector) && selectsEverything(objectSelector);
  return selectsAll && excludeResourceRules.length === 0 && resourceRules.length === 1 && resourceRules[0]?.resourceNames.length === 0;
}

function outcomeOf(result: PolicyResult, object: JsonObject): RuleOutcome {
  const { findings, skipped, policy } = result;
  const [first] = findings;
  if (first === undefined)
    return { status: skipped === undefined || skipped.passes ? "pass" : "skip", message: skipped?.message ?? "", object };
  return { status: first.kind === "error" ? "error" : failStatus(policy), message: first.message, object };
}

/** A policy that is not scored warns. */
const failStatus = ({ isScored }: CompiledPolicy): ResultStatus => (isScored ? "fail" : "warn");

function judgeTargetOf(
  trigger: Review,
  existing: JsonObject,
  judging: Judging,
  targets: Map<string, PolicyResponse[]>,
  diagnostics: Diagnostic[],
): void {
  for (const target of reviewOf(existing, judging, "CREATE", diagnostics)) {
    const results = judgeTarget(judging.snapshot, trigger, target, judging.world);
    const last = results.at(-1)?.object ?? target.object ?? {};
    for (const result of results) {
      const responses = targets.get(keyOf(target)) ?? [];
      responses.push({ policy: result.policy.name, outcomes: [outcomeOf(result, last)] });
      targets.set(keyOf(target), responses);
    }
  }
}

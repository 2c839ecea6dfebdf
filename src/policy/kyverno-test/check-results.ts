/** Compares what policies did with what a test expects, as Kyverno's command line does. */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { jsonEquals } from "../json-equals.ts";
import type { ExpectedResult, ResultStatus } from "./test-file.ts";

/** What one policy did with one subject. */
export interface PolicyResponse {
  readonly policy: string;
  /** Empty when the policy does not apply to the subject. */
  readonly outcomes: readonly RuleOutcome[];
}

export interface RuleOutcome {
  readonly status: ResultStatus;
  readonly message: string;
  /** The subject, or what a mutation made of it. */
  readonly object: JsonObject;
}

/** Responses by subject (`subjectKey`). */
export type Responses = ReadonlyMap<string, readonly PolicyResponse[]>;

export interface TestResponses {
  readonly triggers: Responses;
  /** For results that name an operation. */
  readonly triggersByOperation: ReadonlyMap<string, Responses>;
  /** Existing objects that were changed. */
  readonly targets: Responses;
  /** By the name of the policy. */
  readonly notJudged: ReadonlyMap<string, NotJudged>;
}

/** Why a policy is not judged: it is of a kind that is not supported, or it is not valid. */
export interface NotJudged {
  readonly isSupported: boolean;
  readonly message: string;
}

/** One compared result. */
export interface TestRow {
  readonly outcome: "passed" | "failed" | "skipped";
  readonly policy: string;
  readonly rule: string;
  /** `apps/v1/Deployment/default/web`, or the path of a payload. */
  readonly resource: string;
  readonly expected: ResultStatus;
  /** undefined when there is no result to compare. */
  readonly actual: ResultStatus | undefined;
  /** `Ok`, `Want pass, got fail`, `Excluded`, `Not found`, `Resource diff`, … */
  readonly reason: string;
  readonly message: string;
}

/** The object that a patched one is compared with, or why there is none. */
export type ExpectedObjects = (path: string) => readonly JsonObject[] | undefined;

export const subjectKey = (object: JsonObject): string => {
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  return [object["apiVersion"], object["kind"], metadata["namespace"] ?? "", metadata["name"] ?? ""].join(",");
};

/** One row or more for each expected result. */
export const checkResults = (expected: readonly ExpectedResult[], responses: TestResponses, objects: ExpectedObjects): readonly TestRow[] =>
  expected.flatMap((result) => checkResult(result, responses, objects));

function checkResult(expected: ExpectedResult, responses: TestResponses, objects: ExpectedObjects): readonly TestRow[] {
  const policy = lastSegment(expected.policy);
  const refused = responses.notJudged.get(policy);
  if (refused !== undefined) {
    const { isSupported, message } = refused;
    const [outcome, reason] = isSupported ? (["failed", "Invalid policy"] as const) : (["skipped", "Not supported"] as const);
    return [rowOf(expected, "", { outcome, actual: undefined, reason, message })];
  }
  const triggers =
    expected.operation === undefined ? responses.triggers : (responses.triggersByOperation.get(expected.operation) ?? new Map());
  const named = namedSubjects(expected, [responses.targets, triggers]);
  // A test that names nothing that is there is about everything that is there.
  const subjects = named.length > 0 ? named : [...responses.targets.keys(), ...triggers.keys()];
  return subjects.flatMap((subject) =>
    checkSubject(expected, policy, subject, triggers.get(subject), responses.targets.get(subject), objects),
  );
}

const lastSegment = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

function namedSubjects(expected: ExpectedResult, maps: readonly Responses[]): readonly string[] {
  const keys = maps.flatMap((map) => [...map.keys()]);
  const byName = expected.resources.flatMap((name) => keys.filter((key) => isNamed(key, name)));
  const bySpec = expected.resourceSpecs.flatMap((spec) =>
    keys.filter((key) => {
      const [apiVersion, , namespace, name] = key.split(",");
      return apiVersion === spec.apiVersion && namespace === spec.namespace && name === spec.name;
    }),
  );
  return [...byName, ...bySpec];
}

function isNamed(key: string, name: string): boolean {
  if (key === name) return true;
  const parts = key.split(",");
  const [namespace, own] = [parts.at(-2), parts.at(-1)];
  const slash = name.indexOf("/");
  return slash === -1 ? own === name : namespace === name.slice(0, slash) && own === name.slice(slash + 1);
}

function checkSubject(
  expected: ExpectedResult,
  policy: string,
  subject: string,
  triggered: readonly PolicyResponse[] | undefined,
  targeted: readonly PolicyResponse[] | undefined,
  objects: ExpectedObjects,
): readonly TestRow[] {
  const own = (triggered ?? []).filter((response) => response.policy === policy);
  const outcomes = [...own.flatMap((response) => response.outcomes), ...(targeted ?? []).flatMap((response) => response.outcomes)];
  const checked = outcomes.map((outcome) => checkOutcome(expected, subject, outcome, objects));
  const rows = checked.filter((row) => row !== undefined);
  if (rows.length > 0 || checked.length > 0) return rows;
  if (own.length > 0) return [rowOf(expected, subject, { outcome: "passed", actual: undefined, reason: "Excluded", message: "Excluded" })];
  return [
    rowOf(expected, subject, {
      outcome: "failed",
      actual: undefined,
      reason: "Not found",
      message: "no policy of that name applies to the resource",
    }),
  ];
}

/** undefined when the patched object is not among the expected ones and need not be. */
function checkOutcome(expected: ExpectedResult, subject: string, outcome: RuleOutcome, objects: ExpectedObjects): TestRow | undefined {
  const actual = outcome.status;
  if (expected.patchedResources !== "") {
    const all = objects(expected.patchedResources);
    const object = all?.find((candidate) => subjectKey(candidate) === subjectKey(outcome.object));
    if (all === undefined || object === undefined) {
      if (all !== undefined && !expected.failOnMissingResources) return undefined;
      const message =
        all === undefined ? `no file \`${expected.patchedResources}\`` : `the resource is not in \`${expected.patchedResources}\``;
      return rowOf(expected, subject, { outcome: "failed", actual, reason: "Resource error", message });
    }
    if (!jsonEquals(tidy(outcome.object) ?? {}, tidy(object) ?? {})) {
      return rowOf(expected, subject, {
        outcome: "failed",
        actual,
        reason: "Resource diff",
        message: "the patched resource is not the expected one",
      });
    }
  }
  const isRight = actual === expected.result;
  const reason = isRight ? "Ok" : `Want ${expected.result}, got ${actual}`;
  return rowOf(expected, subject, { outcome: isRight ? "passed" : "failed", actual, reason, message: outcome.message });
}

const rowOf = (expected: ExpectedResult, subject: string, rest: Pick<TestRow, "outcome" | "actual" | "reason" | "message">): TestRow => ({
  policy: expected.policy,
  rule: expected.rule,
  resource: subject.replaceAll(",", "/"),
  expected: expected.result,
  ...rest,
});

/** The value without nulls and without what is empty; undefined when nothing is left. */
function tidy(value: JsonValue): JsonValue | undefined {
  if (value === null) return undefined;
  if (isJsonArray(value)) {
    const items = value.map(tidy).filter((item) => item !== undefined);
    return items.length === 0 ? undefined : items;
  }
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).flatMap(([key, member]) => {
    const kept = tidy(member);
    return kept === undefined ? [] : [[key, kept] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

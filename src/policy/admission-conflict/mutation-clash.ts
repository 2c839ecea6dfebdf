/** Pairs of mutating policies that set one field differently, found by running both on an object in either order. */
import { encodeJson, isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import type { KnownKind } from "../../resource/kubernetes-kinds.ts";
import type { PolicyOrigin } from "../access/access-rule.ts";
import type { CompiledPolicy, MutateEffect } from "../compiled-policy.ts";
import { diff } from "../json-diff.ts";
import { jsonEquals } from "../json-equals.ts";
import { judgePolicies } from "../judge.ts";
import { PolicyIndex } from "../policy-index.ts";
import { shapeOf } from "../resource-rule.ts";
import type { Review } from "../review.ts";
import { reviewOfObject } from "../review-of.ts";
import type { Snapshot } from "../snapshot.ts";
import type { AdmissionConflicts, AdmissionFinding, MutationExample } from "./admission-finding.ts";
import { type SampleObject, sampleObject } from "./sample-object.ts";
import { mayOverlap, writtenPaths } from "./written-paths.ts";

type Mutating = CompiledPolicy & { readonly effect: MutateEffect };

/** Pairs that are tried; those beyond are counted as unknown. */
const MAX_PAIRS = 20_000;
/** Kinds of objects on which a pair is tried. */
const MAX_KINDS = 3;

/** `originOf` says where a policy is written. */
export function findMutationClashes(
  snapshot: Snapshot,
  kinds: readonly KnownKind[],
  originOf: (policy: CompiledPolicy) => PolicyOrigin,
): AdmissionConflicts {
  const policies = snapshot.policies.filter(isTried).map((policy) => ({ policy, paths: writtenPaths(policy.effect) }));
  const findings: AdmissionFinding[] = [];
  let unknown = 0;
  let pairsLeft = MAX_PAIRS;
  for (const [index, one] of policies.entries()) {
    for (const other of policies.slice(index + 1)) {
      if (!mayOverlap(one.paths, other.paths)) continue;
      const outcome = pairsLeft-- > 0 ? tryPair(one.policy, other.policy, snapshot, kinds) : "unknown";
      if (outcome === "unknown") unknown++;
      else if (outcome !== "none") findings.push(findingOf(outcome, originOf(one.policy), originOf(other.policy)));
    }
  }
  return { findings, unknown };
}

/** What is derived for controllers is tried with its origin; policies that change other objects than the one requested are not. */
const isTried = (policy: CompiledPolicy): policy is Mutating =>
  policy.effect.kind === "mutate" &&
  policy.effect.target === undefined &&
  policy.autogen === undefined &&
  policy.mode === "Kubernetes" &&
  policy.bindings.length > 0;

/** `none`: they are about no kind together, or say the same. `unknown`: on no object that was made both did something. */
function tryPair(one: Mutating, other: Mutating, snapshot: Snapshot, kinds: readonly KnownKind[]): MutationExample | "none" | "unknown" {
  let tried = 0;
  let hasRun = false;
  for (const kind of kinds) {
    if (tried >= MAX_KINDS) break;
    const sample = sampleObject(kind, [one, other]);
    const review = sample && reviewOf(sample, kind);
    if (sample === undefined || review === undefined || !areBothAbout(review, one, other)) continue;
    tried++;
    const run = (policies: readonly Mutating[]): JsonObject | undefined => mutated(policies, { snapshot, review, sample });
    const [alone, otherAlone, first, second] = [run([one]), run([other]), run([one, other]), run([other, one])];
    if (alone === undefined || otherAlone === undefined || first === undefined || second === undefined) continue;
    if (jsonEquals(alone, sample.object) || jsonEquals(otherAlone, sample.object)) continue;
    hasRun = true;
    if (!jsonEquals(withoutOrder(first), withoutOrder(second))) return { object: sample.object, first, second };
  }
  return tried === 0 || hasRun ? "none" : "unknown";
}

function reviewOf({ object }: SampleObject, { type }: KnownKind): Review | undefined {
  const review = reviewOfObject(object, { resourceTypeOf: () => type });
  return review.ok ? review.value : undefined;
}

function areBothAbout(review: Review, one: Mutating, other: Mutating): boolean {
  return new PolicyIndex([one, other]).candidatesFor(shapeOf(review)).length === 2;
}

/** What the policies make of the object, in this order; undefined when one of them fails. */
function mutated(
  policies: readonly Mutating[],
  { snapshot, review, sample }: { readonly snapshot: Snapshot; readonly review: Review; readonly sample: SampleObject },
): JsonObject | undefined {
  let hasFailed = false;
  const few: Snapshot = { ...snapshot, policies, mutating: new PolicyIndex(policies), clock: { nowMs: 0 } };
  const object = judgePolicies(few, review, sample.world, { phase: "mutate", trigger: "any" }, ({ findings }) => {
    hasFailed ||= findings.length > 0;
  });
  return hasFailed || object === null ? undefined : object;
}

/** Lists as sets: that two policies append to one list in either order is no disagreement. */
function withoutOrder(value: JsonValue): JsonValue {
  if (isJsonArray(value)) {
    const items = value.map((item) => [encodeJson(withoutOrder(item)), item] as const);
    return items.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => withoutOrder(item));
  }
  return isJsonObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutOrder(item)])) : value;
}

const MAX_SHOWN = 60;

function findingOf(example: MutationExample, rule: PolicyOrigin, against: PolicyOrigin): AdmissionFinding {
  // In `first` the other policy has the last word, in `second` this one.
  const [difference] = diff(example.first, example.second);
  const path = difference?.path ?? "";
  const own = difference?.op === "remove" ? "takes it away" : `sets it to \`${shown(difference?.value)}\``;
  return {
    kind: "mutation-clash",
    severity: "warning",
    rule,
    against,
    message: `disagrees with \`${against.policy}\` about \`${path}\`: run last, it ${own}, and run first it does not; nothing says which runs last`,
    example,
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

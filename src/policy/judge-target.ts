/** Mutation of objects that exist already, which a request for another object triggers (Kyverno's mutateExisting). */
import { createFrame, RUNTIME_BUDGET } from "../cel/frame.ts";
import { toJson } from "../cel/json.ts";
import { CelError } from "../cel/value.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../lib/json.ts";
import type { MatchResources } from "../resource/match-resources.ts";
import type { CompiledPolicy, CompiledTarget } from "./compiled-policy.ts";
import { bindingsOf, withBareNamespaces } from "./evaluation.ts";
import { failed, judgePolicy, unusable } from "./judge-policy.ts";
import { matchReview, reachOf } from "./match.ts";
import type { PolicyResult } from "./policy-result.ts";
import { shapeOf } from "./resource-rule.ts";
import type { Review, World } from "./review.ts";
import { checkConditions, runExpression } from "./run-expression.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * What the policies that change existing objects make of `target` (a review of it as it exists) when `trigger` is requested: one
 * result for each of them that is about both, each going on from the object that the one before it left.
 */
export function judgeTarget(snapshot: Snapshot, trigger: Review, target: Review, world: World): readonly PolicyResult[] {
  snapshot.clock.nowMs = world.nowMs;
  const seen = withBareNamespaces(world);
  const results: PolicyResult[] = [];
  let object = target.object;
  for (const policy of snapshot.mutating.policies) {
    if (policy.effect.kind !== "mutate" || !policy.effect.mutatesExisting || !isTriggered(policy, trigger, seen)) continue;
    const outcome = judgeOne(snapshot, policy, policy.effect.target, trigger, { ...target, object }, seen);
    if (outcome === undefined) continue;
    results.push(outcome);
    object = outcome.object;
  }
  return results;
}

function isTriggered(policy: CompiledPolicy, trigger: Review, world: World): boolean {
  if (policy.constraints === undefined || !reaches(policy.constraints, trigger, world)) return false;
  return checkConditions(policy.conditions, createFrame(bindingsOf(trigger, world, "bare"))).kind === "met";
}

function reaches(constraints: MatchResources, review: Review, world: World): boolean {
  const reach = reachOf(constraints, shapeOf(review));
  return reach !== undefined && matchReview(reach, review, world).kind === "yes";
}

function judgeOne(
  snapshot: Snapshot,
  policy: CompiledPolicy,
  target: CompiledTarget | undefined,
  trigger: Review,
  existing: Review,
  world: World,
): PolicyResult | undefined {
  const [binding] = policy.bindings;
  if (binding === undefined || existing.object === null) return undefined;
  if (target?.expression !== undefined) {
    const chosen = chosenTargets(target, trigger, world);
    if (chosen instanceof CelError) {
      return failed(policy, binding, existing, unusable(chosen.message));
    }
    if (!chosen.has(nameKey(existing.object))) return undefined;
  } else if (!reaches(ofAnyOperation(target?.constraints ?? policy.constraints), existing, world)) {
    return undefined;
  }
  const bindings = { ...bindingsOf(existing, world, "bare"), request: trigger.request };
  return judgePolicy({ ...policy, conditions: target?.conditions ?? [] }, binding, { snapshot, review: existing, world, bindings });
}

/** Existing objects are not part of an operation. */
function ofAnyOperation(constraints: MatchResources | undefined): MatchResources {
  const rules = constraints?.resourceRules ?? [];
  const anyOperation = rules.map((rule) => ({ ...rule, operations: ["*"] as const }));
  return { ...(constraints ?? NOTHING), resourceRules: anyOperation };
}

const EVERYTHING = { matchLabels: {}, matchExpressions: [] };
const NOTHING: MatchResources = {
  namespaceSelector: EVERYTHING,
  objectSelector: EVERYTHING,
  resourceRules: [],
  excludeResourceRules: [],
  matchPolicy: "Exact",
};

/** The objects that the target's expression yields: one object, or a list of them under `items`. */
function chosenTargets({ expression }: CompiledTarget, trigger: Review, world: World): ReadonlySet<string> | CelError {
  if (expression === undefined) return new Set();
  const value = runExpression(expression, createFrame(bindingsOf(trigger, world, "bare")), RUNTIME_BUDGET);
  const json = value instanceof CelError ? value : toJson(value);
  if (json instanceof CelError) return json;
  const items = isJsonObject(json) && isJsonArray(json["items"]) ? json["items"] : [json];
  return new Set(items.filter(isJsonObject).map(nameKey));
}

function nameKey(object: JsonObject): string {
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  return `${String(metadata["namespace"] ?? "")}/${String(metadata["name"] ?? "")}`;
}

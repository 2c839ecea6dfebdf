/** A policy that may be about a request: whether it is, through which of its bindings, and what comes of it. */
import type { JsonObject } from "../lib/json.ts";
import { type CompiledBinding, isKyvernoKind } from "./compiled-policy.ts";
import { joinApiVersion } from "./equivalent-resource.ts";
import type { Bindings } from "./evaluation.ts";
import { type Judged, judgePolicy, unusable } from "./judge-policy.ts";
import { matchReview } from "./match.ts";
import { collectParams } from "./params.ts";
import type { BindingCandidate, Candidate } from "./policy-index.ts";
import type { PolicyResult } from "./policy-result.ts";
import type { GroupVersionResource, Review, World } from "./review.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Scene {
  readonly snapshot: Snapshot;
  readonly review: Review;
  readonly world: World;
  readonly bindings: Bindings;
}

/** What comes of the candidate: nothing when it does not match, else one result for each binding (and parameter) in force. */
export function judgeCandidate(candidate: Candidate, scene: Scene): readonly Judged[] {
  const { policy, reach, bindings } = candidate;
  const { review, world } = scene;
  if (policy.namespace !== "" && policy.namespace !== review.namespace) return NONE;
  const match = matchReview(reach, review, world);
  if (match.kind === "no") return NONE;
  if (match.kind === "unknown")
    return [misconfigured(candidate, bindings[0]?.binding, `failed to configure policy: ${match.message}`, review)];
  const seen = match.resource === review.resource ? scene : seenAs(scene, match.resource);
  const judged =
    bindings.length === 1 && bindings[0] !== undefined
      ? judgeBinding(candidate, bindings[0], seen)
      : bindings.flatMap((each) => judgeBinding(candidate, each, seen));
  return seen === scene ? judged : judged.map(({ result, object }) => ({ result, object: seenBack(object, review) }));
}

const NONE: readonly never[] = [];

function judgeBinding(candidate: Candidate, { binding, reach }: BindingCandidate, scene: Scene): readonly Judged[] {
  const { policy } = candidate;
  const { review, world, snapshot } = scene;
  if (reach !== undefined) {
    const match = matchReview(reach, review, world);
    if (match.kind === "no") return NONE;
    if (match.kind === "unknown") return [misconfigured(candidate, binding, `failed to configure binding: ${match.message}`, review)];
  }
  const subject = {
    policy,
    binding,
    bindings: scene.bindings,
    object: review.object,
    schema: policy.effect.kind === "mutate" ? snapshot.schemaOf(review.kind) : undefined,
    nowMs: world.nowMs,
  };
  if (policy.paramKind === undefined) return [judgePolicy(subject)];
  const params = collectParams(policy.paramKind, binding.paramRef, review.namespace, world);
  if (!params.ok) return [misconfigured(candidate, binding, `failed to configure binding: ${params.error}`, review)];
  return params.value.map((param) => judgePolicy({ ...subject, bindings: { ...scene.bindings, params: param } }));
}

/** Whatever the actions of a Kubernetes binding: what is not configured denies, unless failures are ignored. */
function misconfigured({ policy }: Candidate, binding: CompiledBinding | undefined, message: string, review: Review): Judged {
  const through: CompiledBinding = {
    name: binding?.name ?? "",
    matchResources: undefined,
    paramRef: undefined,
    actions: binding !== undefined && isKyvernoKind(policy.kind) ? binding.actions : ["Deny"],
  };
  const result: PolicyResult = { policy, binding: through, findings: [unusable(message)], annotations: [], skipped: undefined, cost: 0 };
  return { result, object: review.object };
}

/** The scene as a policy about an equivalent version sees it. */
function seenAs(scene: Scene, resource: GroupVersionResource): Scene {
  const { review, bindings } = scene;
  const apiVersion = joinApiVersion(resource.group, resource.version);
  const convert = (object: JsonObject | null): JsonObject | null => (object === null ? null : { ...object, apiVersion });
  const kind = { group: resource.group, version: resource.version, kind: review.kind.kind };
  const object = convert(review.object);
  const oldObject = convert(review.oldObject);
  const request = { ...review.request, kind, resource: { ...resource } };
  return {
    ...scene,
    review: { ...review, resource, kind, object, oldObject, request },
    bindings: { ...bindings, object, oldObject, request },
  };
}

const seenBack = (object: JsonObject | null, review: Review): JsonObject | null =>
  object === null ? null : { ...object, apiVersion: joinApiVersion(review.resource.group, review.resource.version) };

/** A policy that may be about a request: whether it is, through which of its bindings, and what comes of it. */
import type { JsonObject } from "../lib/json.ts";
import { type CompiledBinding, type CompiledPolicy, isKyvernoKind } from "./compiled-policy.ts";
import { joinApiVersion } from "./equivalent-resource.ts";
import { failed, judgePolicy, type Scene, unusable } from "./judge-policy.ts";
import { matchReview } from "./match.ts";
import { collectParams } from "./params.ts";
import type { BindingCandidate, Candidate } from "./policy-index.ts";
import type { PolicyResult } from "./policy-result.ts";
import type { GroupVersionResource } from "./review.ts";

/** Receives what comes of each policy that matches. */
export type Report = (result: PolicyResult) => void;

/** Reports nothing when the candidate does not match, else one result for each binding (and parameter) in force. */
export function judgeCandidate({ policy, reach, bindings }: Candidate, scene: Scene, report: Report): void {
  const { review, world } = scene;
  if (policy.namespace !== "" && policy.namespace !== review.namespace) return;
  const match = matchReview(reach, review, world);
  if (match.kind === "no") return;
  if (match.kind === "unknown") {
    report(misconfigured(policy, bindings[0]?.binding, scene, `failed to configure policy: ${match.message}`));
    return;
  }
  if (match.as === undefined) {
    for (let index = 0; index < bindings.length; index++) judgeBinding(policy, bindings[index], scene, report);
    return;
  }
  const seen = seenAs(scene, match.as);
  const apiVersion = joinApiVersion(review.resource.group, review.resource.version);
  const reportBack: Report = (result) => report({ ...result, object: result.object === null ? null : { ...result.object, apiVersion } });
  for (const binding of bindings) judgeBinding(policy, binding, seen, reportBack);
}

function judgeBinding(policy: CompiledPolicy, candidate: BindingCandidate | undefined, scene: Scene, report: Report): void {
  if (candidate === undefined) return;
  const { binding, reach } = candidate;
  const { review, world, bindings } = scene;
  if (reach !== undefined) {
    const match = matchReview(reach, review, world);
    if (match.kind === "no") return;
    if (match.kind === "unknown") {
      report(misconfigured(policy, binding, scene, `failed to configure binding: ${match.message}`));
      return;
    }
  }
  if (policy.paramKind === undefined) {
    report(judgePolicy(policy, binding, scene));
    return;
  }
  const params = collectParams(policy.paramKind, binding.paramRef, review.namespace, world);
  if (params.ok) {
    for (const param of params.value) report(judgePolicy(policy, binding, { ...scene, bindings: { ...bindings, params: param } }));
  } else {
    report(misconfigured(policy, binding, scene, `failed to configure binding: ${params.error}`));
  }
}

/** Whatever the actions of a Kubernetes binding: what is not configured denies, unless failures are ignored. */
function misconfigured(policy: CompiledPolicy, binding: CompiledBinding | undefined, { review }: Scene, message: string): PolicyResult {
  const through: CompiledBinding = {
    name: binding?.name ?? "",
    matchResources: undefined,
    paramRef: undefined,
    actions: binding !== undefined && isKyvernoKind(policy.kind) ? binding.actions : ["Deny"],
  };
  return failed(policy, through, review, unusable(message));
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

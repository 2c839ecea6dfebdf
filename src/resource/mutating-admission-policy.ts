/** MutatingAdmissionPolicy of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import type { Expression, NamedExpression } from "./expression.ts";
import type { MatchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import type { FailurePolicy, ParamKind } from "./validating-admission-policy.ts";

export interface MutatingAdmissionPolicy {
  readonly kind: "MutatingAdmissionPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly paramKind: ParamKind | undefined;
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  /** Not empty; applied in order. */
  readonly mutations: readonly Mutation[];
  readonly failurePolicy: FailurePolicy;
  readonly reinvocationPolicy: ReinvocationPolicy;
}

export type ReinvocationPolicy = "Never" | "IfNeeded";

export interface Mutation {
  readonly patchType: "ApplyConfiguration" | "JSONPatch";
  readonly expression: Expression;
}

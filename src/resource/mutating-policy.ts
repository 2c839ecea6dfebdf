/** MutatingPolicy and NamespacedMutatingPolicy of `policies.kyverno.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import type { AuditAnnotation, Expression, NamedExpression } from "./expression.ts";
import type { MatchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import type { Mutation, ReinvocationPolicy } from "./mutating-admission-policy.ts";
import type { FailurePolicy } from "./validating-admission-policy.ts";
import type { Autogen, Evaluation } from "./validating-policy.ts";

export interface MutatingPolicy {
  readonly kind: "MutatingPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Set for NamespacedMutatingPolicy: only objects of this namespace are changed. */
  readonly namespace: string | undefined;
  /** Without constraints nothing is matched (evaluation mode JSON needs none). */
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly mutations: readonly Mutation[];
  readonly auditAnnotations: readonly AuditAnnotation[];
  /** Which existing objects a trigger changes; undefined when the trigger itself is changed. */
  readonly target: MutationTarget | undefined;
  readonly failurePolicy: FailurePolicy;
  /** Default `Never`. */
  readonly reinvocationPolicy: ReinvocationPolicy;
  readonly evaluation: Evaluation;
  /** Whether objects that exist already are changed. Default false. */
  readonly mutateExisting: boolean;
  readonly autogen: Autogen;
  /** 1 to 30, undefined for the webhook's default. */
  readonly timeoutSeconds: number | undefined;
}

export interface MutationTarget {
  readonly constraints: MatchResources;
  /** Yields the targets instead of `constraints`. */
  readonly expression: Expression | undefined;
  readonly conditions: readonly NamedExpression[];
}

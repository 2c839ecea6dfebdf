/** ValidatingPolicy and NamespacedValidatingPolicy of `policies.kyverno.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import type { AuditAnnotation, NamedExpression } from "./expression.ts";
import type { MatchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import type { FailurePolicy, Validation } from "./validating-admission-policy.ts";
import type { ValidationAction } from "./validating-admission-policy-binding.ts";

export interface ValidatingPolicy {
  readonly kind: "ValidatingPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Set for NamespacedValidatingPolicy: only objects of this namespace are judged. */
  readonly namespace: string | undefined;
  /** Without constraints nothing is matched (evaluation mode JSON needs none). */
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly validations: readonly Validation[];
  readonly auditAnnotations: readonly AuditAnnotation[];
  readonly failurePolicy: FailurePolicy;
  /** Default `[Deny]`. */
  readonly validationActions: readonly ValidationAction[];
  readonly evaluation: Evaluation;
  readonly autogen: Autogen;
  /** 1 to 30, undefined for the webhook's default. */
  readonly timeoutSeconds: number | undefined;
}

export interface Evaluation {
  /** What is judged: Kubernetes objects (default) or any JSON document. */
  readonly mode: "Kubernetes" | "JSON";
  /** Whether admission requests are judged. Default true. */
  readonly admission: boolean;
  /** Whether existing objects are judged. Default true. */
  readonly background: boolean;
}

export interface Autogen {
  /** The pod controllers that a policy about Pods is extended to, as written; undefined for Kyverno's default (all). */
  readonly podControllers: readonly string[] | undefined;
}

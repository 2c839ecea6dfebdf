/** ValidatingAdmissionPolicy of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import type { AuditAnnotation, Expression, NamedExpression } from "./expression.ts";
import type { MatchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";

export interface ValidatingAdmissionPolicy {
  readonly kind: "ValidatingAdmissionPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly paramKind: ParamKind | undefined;
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly validations: readonly Validation[];
  readonly auditAnnotations: readonly AuditAnnotation[];
  readonly failurePolicy: FailurePolicy;
}

/** Default `Fail`. */
export type FailurePolicy = "Fail" | "Ignore";

/** The kind of the objects that `params` is bound to. */
export interface ParamKind {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface Validation {
  readonly expression: Expression;
  readonly message: string | undefined;
  readonly messageExpression: Expression | undefined;
  /** Default `Invalid`. */
  readonly reason: ValidationReason;
}

export type ValidationReason = "Unauthorized" | "Forbidden" | "Invalid" | "RequestEntityTooLarge";

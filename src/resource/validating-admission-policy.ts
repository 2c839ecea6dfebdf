/** ValidatingAdmissionPolicy of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import {
  type AuditAnnotation,
  auditAnnotations,
  type Expression,
  expression,
  matchConditions,
  type NamedExpression,
  variables,
} from "./expression.ts";
import { type MatchResources, matchConstraints } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import { checked, listOf, nonEmptyText, oneOf, optional, record, required, type Shape, withDefault } from "./shape.ts";

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

export const failurePolicy: Shape<FailurePolicy> = oneOf("Fail", "Ignore");

export const paramKind: Shape<ParamKind> = record<ParamKind>({ apiVersion: required(nonEmptyText), kind: required(nonEmptyText) });

const validation: Shape<Validation> = record<Validation>({
  expression: required(expression),
  message: optional(nonEmptyText),
  messageExpression: optional(expression),
  reason: withDefault(oneOf("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"), "Invalid"),
});

export const validations: Shape<readonly Validation[]> = listOf(validation);

type Spec = Omit<ValidatingAdmissionPolicy, "kind" | "document" | "metadata">;

export const validatingAdmissionPolicySpec: Shape<Spec> = checked(
  record<Spec>({
    paramKind: optional(paramKind),
    matchConstraints: required(matchConstraints),
    matchConditions: withDefault(matchConditions, []),
    variables: withDefault(variables, []),
    validations: withDefault(validations, []),
    auditAnnotations: withDefault(auditAnnotations, []),
    failurePolicy: withDefault(failurePolicy, "Fail"),
  }),
  (spec, spot) => {
    if (spec.validations.length === 0 && spec.auditAnnotations.length === 0)
      spot.report("RESOURCE_MISSING_FIELD", "expected at least one item in `spec.validations` or `spec.auditAnnotations`", undefined, true);
  },
);

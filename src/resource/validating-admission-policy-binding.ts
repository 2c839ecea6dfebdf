/** ValidatingAdmissionPolicyBinding of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import type { LabelSelector } from "./label-selector.ts";
import type { MatchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";

export interface ValidatingAdmissionPolicyBinding {
  readonly kind: "ValidatingAdmissionPolicyBinding";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly policyName: string;
  readonly paramRef: ParamRef | undefined;
  /** Narrows the policy's own constraints; undefined adds nothing. */
  readonly matchResources: MatchResources | undefined;
  /** Not empty, no duplicates, never both Deny and Warn. */
  readonly validationActions: readonly ValidationAction[];
}

export type ValidationAction = "Deny" | "Warn" | "Audit";

/** INVARIANT: exactly one of `name` and `selector` is set. */
export interface ParamRef {
  readonly name: string | undefined;
  /** undefined: the namespace of the request where the kind is namespaced. */
  readonly namespace: string | undefined;
  readonly selector: LabelSelector | undefined;
  readonly parameterNotFoundAction: "Allow" | "Deny";
}

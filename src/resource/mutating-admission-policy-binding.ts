/** MutatingAdmissionPolicyBinding of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import { type MatchResources, matchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import { checkMutableOperations } from "./mutating-admission-policy.ts";
import { checked, nonEmptyText, optional, record, required, type Shape } from "./shape.ts";
import { type ParamRef, paramRef } from "./validating-admission-policy-binding.ts";

export interface MutatingAdmissionPolicyBinding {
  readonly kind: "MutatingAdmissionPolicyBinding";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly policyName: string;
  readonly paramRef: ParamRef | undefined;
  /** Narrows the policy's own constraints; undefined adds nothing. */
  readonly matchResources: MatchResources | undefined;
}

type Spec = Omit<MutatingAdmissionPolicyBinding, "kind" | "document" | "metadata">;

export const mutatingAdmissionPolicyBindingSpec: Shape<Spec> = record<Spec>({
  policyName: required(nonEmptyText),
  paramRef: optional(paramRef),
  matchResources: optional(checked(matchResources, checkMutableOperations)),
});

/** The policies that Vigil runs: parsed once, here, or refused with file, line and column. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { MutatingAdmissionPolicy } from "./mutating-admission-policy.ts";
import type { MutatingAdmissionPolicyBinding } from "./mutating-admission-policy-binding.ts";
import type { MutatingPolicy } from "./mutating-policy.ts";
import type { PolicyException } from "./policy-exception.ts";
import type { ValidatingAdmissionPolicy } from "./validating-admission-policy.ts";
import type { ValidatingAdmissionPolicyBinding } from "./validating-admission-policy-binding.ts";
import type { ValidatingPolicy } from "./validating-policy.ts";

/** A valid resource. CEL texts inside are not compiled yet. */
export type PolicyResource =
  | ValidatingAdmissionPolicy
  | ValidatingAdmissionPolicyBinding
  | MutatingAdmissionPolicy
  | MutatingAdmissionPolicyBinding
  | ValidatingPolicy
  | MutatingPolicy
  | PolicyException;

export type ParsedResource =
  | { readonly kind: "policy"; readonly resource: PolicyResource }
  /** Not of a policy family: a workload, a test, a parameter object. */
  | { readonly kind: "other" }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

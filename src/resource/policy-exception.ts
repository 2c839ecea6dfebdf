/** PolicyException of `policies.kyverno.io` v1, v1beta1 and v1alpha1, with expiry. */
import type { Document } from "./document.ts";
import type { NamedExpression } from "./expression.ts";
import type { Metadata } from "./metadata.ts";

export interface PolicyException {
  readonly kind: "PolicyException";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Not empty. */
  readonly policyRefs: readonly PolicyReference[];
  /** All must hold for the subject to be exempt. */
  readonly matchConditions: readonly NamedExpression[];
  /** `exceptions.allowedImages` in the policy's expressions. */
  readonly images: readonly string[];
  /** `exceptions.allowedValues` in the policy's expressions. */
  readonly allowedValues: readonly string[];
  /** How an exempt subject is reported. Default `skip`. */
  readonly reportResult: "skip" | "pass";
  /**
   * From when on it no longer exempts, in milliseconds since the epoch: `spec.expiresAt`, or the annotation
   * `vigil.dev/expires` (both RFC 3339; the earlier one counts). undefined: never.
   */
  readonly expiresAtMs: number | undefined;
  /** Reason, ticket, approvers: for people. */
  readonly properties: { readonly [key: string]: string };
}

export interface PolicyReference {
  /** `ValidatingPolicy`, `NamespacedMutatingPolicy`, … */
  readonly kind: string;
  readonly name: string;
}

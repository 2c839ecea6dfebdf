/** PolicyException of `policies.kyverno.io` v1, v1beta1 and v1alpha1, with expiry. */
import type { Document } from "./document.ts";
import { matchConditions, type NamedExpression } from "./expression.ts";
import type { Metadata } from "./metadata.ts";
import {
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  type Spot,
  text,
  textMap,
  timestamp,
  withDefault,
} from "./shape.ts";

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

export const EXPIRY_ANNOTATION = "vigil.dev/expires";

type Spec = Omit<PolicyException, "kind" | "document" | "metadata">;
interface WrittenSpec extends Omit<Spec, "expiresAtMs"> {
  readonly expiresAt: number | undefined;
}

const reference: Shape<PolicyReference> = record<PolicyReference>({ kind: required(nonEmptyText), name: required(nonEmptyText) });

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>(
  {
    policyRefs: required(listOf(reference, { min: 1 })),
    matchConditions: withDefault(matchConditions, []),
    images: withDefault(listOf(text), []),
    allowedValues: withDefault(listOf(text), []),
    reportResult: withDefault(oneOf("skip", "pass"), "skip"),
    expiresAt: optional(timestamp),
    properties: withDefault(textMap, {}),
  },
  ["evaluationMode"],
);

export const policyExceptionSpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { expiresAt, ...rest } = written;
  return { ...rest, expiresAtMs: expiresAt };
};

/** The exception's end: the earlier one of its field and of its annotation. Reports an annotation that is no time. */
export function expiryOf(expiresAtMs: number | undefined, metadata: Metadata, spot: Spot): number | undefined {
  const written = metadata.annotations[EXPIRY_ANNOTATION];
  if (written === undefined) return expiresAtMs;
  const annotatedMs = timestamp(written, spot.child("metadata").child("annotations").child(EXPIRY_ANNOTATION));
  return Math.min(expiresAtMs ?? Number.POSITIVE_INFINITY, annotatedMs ?? Number.POSITIVE_INFINITY);
}

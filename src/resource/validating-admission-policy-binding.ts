/** ValidatingAdmissionPolicyBinding of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import { type LabelSelector, labelSelector } from "./label-selector.ts";
import { type MatchResources, matchResources } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import { checked, checkUnique, listOf, nonEmptyText, oneOf, optional, record, required, type Shape, withDefault } from "./shape.ts";

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
  /** Default `Deny`. */
  readonly parameterNotFoundAction: "Allow" | "Deny";
}

export const validationActions: Shape<readonly ValidationAction[]> = checked(
  listOf(oneOf<ValidationAction>("Deny", "Warn", "Audit"), { min: 1 }),
  (actions, spot) => {
    checkUnique(actions, spot, (action) => action);
    if (actions.includes("Deny") && actions.includes("Warn"))
      spot.report("RESOURCE_INVALID_VALUE", "`Deny` and `Warn` cannot stand together", "the denial says what the warning would");
  },
);

export const paramRef: Shape<ParamRef> = checked(
  record<ParamRef>({
    name: optional(nonEmptyText),
    namespace: optional(nonEmptyText),
    selector: optional(labelSelector),
    parameterNotFoundAction: withDefault(oneOf("Allow", "Deny"), "Deny"),
  }),
  ({ name, selector }, spot) => {
    if ((name === undefined) === (selector === undefined))
      spot.report("RESOURCE_INVALID_VALUE", `expected either \`name\` or \`selector\` in \`${spot.name}\``);
  },
);

type Spec = Omit<ValidatingAdmissionPolicyBinding, "kind" | "document" | "metadata">;

export const validatingAdmissionPolicyBindingSpec: Shape<Spec> = record<Spec>({
  policyName: required(nonEmptyText),
  paramRef: optional(paramRef),
  matchResources: optional(matchResources),
  validationActions: required(validationActions),
});

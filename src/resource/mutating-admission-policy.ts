/** MutatingAdmissionPolicy of `admissionregistration.k8s.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import { type Expression, expression, matchConditions, type NamedExpression, variables } from "./expression.ts";
import { type MatchResources, matchConstraints } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import { checked, listOf, oneOf, optional, record, required, type Shape, type Spot, withDefault } from "./shape.ts";
import { type FailurePolicy, failurePolicy, type ParamKind, paramKind } from "./validating-admission-policy.ts";

export interface MutatingAdmissionPolicy {
  readonly kind: "MutatingAdmissionPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly paramKind: ParamKind | undefined;
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  /** Not empty; applied in order. */
  readonly mutations: readonly Mutation[];
  readonly failurePolicy: FailurePolicy;
  /** Default `Never`. */
  readonly reinvocationPolicy: ReinvocationPolicy;
}

export type ReinvocationPolicy = "Never" | "IfNeeded";

export interface Mutation {
  readonly patchType: "ApplyConfiguration" | "JSONPatch";
  readonly expression: Expression;
}

interface WrittenMutation {
  readonly patchType: Mutation["patchType"];
  readonly applyConfiguration: { readonly expression: Expression } | undefined;
  readonly jsonPatch: { readonly expression: Expression } | undefined;
}

const patch: Shape<{ readonly expression: Expression }> = record<{ readonly expression: Expression }>({ expression: required(expression) });

const writtenMutation: Shape<WrittenMutation> = record<WrittenMutation>({
  patchType: required(oneOf("ApplyConfiguration", "JSONPatch")),
  applyConfiguration: optional(patch),
  jsonPatch: optional(patch),
});

const mutation: Shape<Mutation> = (value, spot) => {
  const written = writtenMutation(value, spot);
  if (written === undefined) return undefined;
  const { patchType, applyConfiguration, jsonPatch } = written;
  const isApply = patchType === "ApplyConfiguration";
  const [used, unused] = isApply ? [applyConfiguration, jsonPatch] : [jsonPatch, applyConfiguration];
  const [usedName, unusedName] = isApply ? ["applyConfiguration", "jsonPatch"] : ["jsonPatch", "applyConfiguration"];
  if (unused !== undefined) {
    const at = spot.child(unusedName);
    at.report("RESOURCE_INVALID_VALUE", `\`${at.name}\` cannot stand beside the patch type \`${patchType}\``, "remove it", true);
    return undefined;
  }
  if (used !== undefined) return { patchType, expression: used.expression };
  spot.report("RESOURCE_MISSING_FIELD", `missing field \`${spot.name}.${usedName}\` for the patch type \`${patchType}\``);
  return undefined;
};

export const mutations: Shape<readonly Mutation[]> = listOf(mutation, { min: 1 });

export const reinvocationPolicy: Shape<ReinvocationPolicy> = oneOf("Never", "IfNeeded");

/** Only what is created or updated can be changed. */
export function checkMutableOperations({ resourceRules }: MatchResources, spot: Spot): void {
  for (const [rule, { operations }] of resourceRules.entries()) {
    for (const [index, operation] of operations.entries()) {
      if (operation === "CREATE" || operation === "UPDATE") continue;
      const at = spot.child("resourceRules").child(rule).child("operations").child(index);
      at.report(
        "RESOURCE_INVALID_VALUE",
        `expected \`CREATE\` or \`UPDATE\`, got \`${operation}\``,
        "other operations have nothing to change",
      );
    }
  }
}

type Spec = Omit<MutatingAdmissionPolicy, "kind" | "document" | "metadata">;

export const mutatingAdmissionPolicySpec: Shape<Spec> = record<Spec>({
  paramKind: optional(paramKind),
  matchConstraints: required(checked(matchConstraints, checkMutableOperations)),
  matchConditions: withDefault(matchConditions, []),
  variables: withDefault(variables, []),
  mutations: required(mutations),
  failurePolicy: withDefault(failurePolicy, "Fail"),
  reinvocationPolicy: withDefault(reinvocationPolicy, "Never"),
});

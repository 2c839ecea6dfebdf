import { checked, listOf, nonEmptyText, oneOf, record, required, type Shape, text, textMap, withDefault } from "./shape.ts";

/** `metav1.LabelSelector`: all labels and all requirements must hold; an empty selector selects everything. */
export interface LabelSelector {
  readonly matchLabels: { readonly [key: string]: string };
  readonly matchExpressions: readonly LabelSelectorRequirement[];
}

/** INVARIANT: `values` is empty for Exists and DoesNotExist, not empty for In and NotIn. */
export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

export const EVERYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };

const requirement: Shape<LabelSelectorRequirement> = checked(
  record<LabelSelectorRequirement>({
    key: required(nonEmptyText),
    operator: required(oneOf("In", "NotIn", "Exists", "DoesNotExist")),
    values: withDefault(listOf(text), []),
  }),
  ({ operator, values }, spot) => {
    const needsValues = operator === "In" || operator === "NotIn";
    if (needsValues === values.length > 0) return;
    const expected = needsValues ? "at least one item" : "no items";
    spot.child("values").report("RESOURCE_INVALID_VALUE", `expected ${expected} in \`values\` for the operator \`${operator}\``);
  },
);

export const labelSelector: Shape<LabelSelector> = record<LabelSelector>({
  matchLabels: withDefault(textMap, {}),
  matchExpressions: withDefault(listOf(requirement), []),
});

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

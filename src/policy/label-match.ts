import type { LabelSelector, LabelSelectorRequirement } from "../resource/label-selector.ts";

export type Labels = { readonly [key: string]: unknown };

export const selectsEverything = (selector: LabelSelector): boolean =>
  selector.matchExpressions.length === 0 && Object.keys(selector.matchLabels).length === 0;

/** Whether every label and every requirement of the selector holds. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return selector.matchExpressions.every((requirement) => meets(requirement, labels));
}

function meets({ key, operator, values }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "In":
      return typeof value === "string" && values.includes(value);
    case "NotIn":
      return typeof value !== "string" || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return operator satisfies never;
  }
}

/** The labels that a selector asks about. */
export const selectorKeys = (selector: LabelSelector): readonly string[] => [
  ...Object.keys(selector.matchLabels),
  ...selector.matchExpressions.map((requirement) => requirement.key),
];

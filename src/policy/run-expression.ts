import { type Frame, MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT } from "../cel/frame.ts";
import { CelError, type CelValue } from "../cel/value.ts";
import type { CompiledCondition, CompiledExpression } from "./compiled-policy.ts";

/** Runs one expression of a policy within what is left of the policy's budget. */
export function runExpression({ program }: CompiledExpression, frame: Frame, budget: number): CelValue {
  frame.costLimit = Math.min(frame.cost + PER_CALL_LIMIT, budget);
  return program.run(frame);
}

export type Conditions =
  | { readonly kind: "met" }
  | { readonly kind: "unmet"; readonly condition: string }
  | { readonly kind: "error"; readonly condition: CompiledCondition; readonly error: CelError };

const MET: Conditions = { kind: "met" };

/**
 * Whether all conditions hold. One that is false decides, whatever the others are; only without one does an error count, and then
 * the first. The conditions of a policy have a budget of their own. `prepared` is told of each before it is evaluated.
 */
export function checkConditions<C extends CompiledCondition>(
  conditions: readonly C[],
  frame: Frame,
  prepared?: { prepare(condition: C): void },
): Conditions {
  if (conditions.length === 0) return MET;
  const budget = frame.cost + MATCH_CONDITIONS_BUDGET;
  let failed: Conditions = MET;
  for (const condition of conditions) {
    prepared?.prepare(condition);
    const value = runExpression(condition, frame, budget);
    if (value === true) continue;
    if (value === false) return { kind: "unmet", condition: condition.name };
    const error = value instanceof CelError ? value : new CelError("CEL_NOT_BOOL", "a match condition must be true or false");
    if (failed.kind === "met") failed = { kind: "error", condition, error };
  }
  return failed;
}

/** What went wrong in an expression, as Kubernetes words it. */
export const describeError = ({ expression }: CompiledExpression, error: CelError): string =>
  `expression '${cut(expression.text.trim(), 200)}' resulted in error: ${error.message}`;

export const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

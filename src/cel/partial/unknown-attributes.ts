/** Which variables, and which fields of them, are not known yet. */
import type { Expr } from "../ast.ts";
import type { CheckedExpression } from "../checked-expression.ts";

/**
 * What a chain of selections and constant string keys reads: the qualified name of a variable and the fields after it, in
 * one list. Null for everything else. Whether the variable is a local one is for the caller to know.
 */
export function attributeOf(expr: Expr, checked: CheckedExpression): readonly string[] | null {
  const reference = checked.references.get(expr.id);
  if (reference?.kind === "variable") return reference.name.replace(/^\./, "").split(".");
  if (expr.kind === "select" && reference === undefined) return extended(attributeOf(expr.operand, checked), expr.field);
  if (expr.kind !== "call" || (expr.fn !== "_[_]" && expr.fn !== "_[?_]")) return null;
  const [container, key] = expr.args;
  if (container === undefined || key?.kind !== "literal" || key.value.type !== "string") return null;
  return extended(attributeOf(container, checked), key.value.value);
}

const extended = (attribute: readonly string[] | null, step: string): readonly string[] | null =>
  attribute === null ? null : [...attribute, step];

/** Tells whether an attribute is, is part of, or contains something unknown. Patterns are names and fields with dots between them. */
export function unknownAttributes(patterns: readonly string[]): (attribute: readonly string[]) => boolean {
  const unknown = patterns.map((pattern) => pattern.split("."));
  return (attribute) => unknown.some((path) => path.slice(0, attribute.length).every((step, index) => step === attribute[index]));
}

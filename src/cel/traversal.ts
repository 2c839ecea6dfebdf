import type { Expr } from "./ast.ts";

/** The direct sub-expressions, in source order. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "literal":
    case "ident":
      return [];
    case "select":
      return [expr.operand];
    case "call":
      return expr.target === null ? expr.args : [expr.target, ...expr.args];
    case "list":
      return expr.elements.map((element) => element.value);
    case "map":
      return expr.entries.flatMap((entry) => [entry.key, entry.value]);
    case "struct":
      return expr.fields.map((field) => field.value);
    case "comprehension":
      return expr.filter === null ? [expr.range, expr.body] : [expr.range, expr.filter, expr.body];
    case "bind":
      return [expr.value, expr.body];
    case "optMap":
      return [expr.target, expr.body];
    case "block":
      return [...expr.slots, expr.result];
    default:
      return expr satisfies never;
  }
}

/** Visits an expression and everything in it, parents first. */
export function walk(expr: Expr, visit: (expr: Expr) => void): void {
  visit(expr);
  for (const child of childrenOf(expr)) walk(child, visit);
}

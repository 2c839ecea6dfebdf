/** Names with dots: a chain of selections such as `math.greatest` may be a qualified name. */
import type { Expr } from "./ast.ts";

/** `a` of `a.b.c`. */
export function firstWord(name: string): string {
  const dot = name.indexOf(".");
  return dot === -1 ? name : name.slice(0, dot);
}

/** The name that a chain of plain selections begins with. */
export function rootName(expr: Expr): string | undefined {
  let node = expr;
  while (node.kind === "select" && !node.testOnly && !node.optional) node = node.operand;
  return node.kind === "ident" ? node.name : undefined;
}

/** The dotted name that a chain of plain selections spells. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === "ident") return expr.name;
  if (expr.kind !== "select" || expr.testOnly || expr.optional) return undefined;
  const prefix = qualifiedName(expr.operand);
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`;
}

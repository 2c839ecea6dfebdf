/**
 * What cel-go calls an attribute: a name with the selections and indexes behind it. It is evaluated as one step, and that
 * step's cost falls away where the attribute is the branch of a conditional or the key of an index.
 */
import type { Expr } from "../ast.ts";
import type { CheckedExpression } from "../checked-expression.ts";

export function isAttribute(expr: Expr, { references }: CheckedExpression): boolean {
  if (references.get(expr.id)?.kind === "constant") return false;
  if (expr.kind === "ident" || expr.kind === "select") return true;
  return expr.kind === "call" && (expr.fn === "_[_]" || expr.fn === "_[?_]" || expr.fn === "_?_:_");
}

/** The cost that an expression loses as the branch of a conditional or as a key. */
export function attributeDiscount(expr: Expr, checked: CheckedExpression): number {
  return isAttribute(expr, checked) && !isRootedInConditional(expr) && !(expr.kind === "select" && expr.testOnly) ? 1 : 0;
}

function isRootedInConditional(expr: Expr): boolean {
  let node: Expr | undefined = expr;
  while (node !== undefined) {
    if (node.kind === "select") node = node.operand;
    else if (node.kind !== "call") return false;
    else if (node.fn === "_?_:_") return true;
    else if (node.fn === "_[_]" || node.fn === "_[?_]") node = node.args[0];
    else return false;
  }
  return false;
}

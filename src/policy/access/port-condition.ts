/** How conditions use the port of a connection: what compares it with literals only can be decided range by range. */
import type { Expr } from "../../cel/ast.ts";
import { walk } from "../../cel/traversal.ts";
import { MAX_PORT } from "../../resource/port-spec.ts";

const COMPARISONS: ReadonlySet<string> = new Set(["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"]);

/**
 * Whether an expression uses the port only in comparisons with literals. Where it computes with the port, the kernel leaves the
 * condition to the layers above.
 */
export function isPortComparable(root: Expr): boolean {
  let uses = 0;
  let harmless = 0;
  walk(root, (expr) => {
    if (expr.kind === "ident" && expr.name === "connection") uses++;
    if (expr.kind === "select" && isConnection(expr.operand) && expr.field !== "port") harmless++;
    if (expr.kind !== "call" || !COMPARISONS.has(expr.fn)) return;
    const [left, right] = expr.args;
    if (left === undefined || right === undefined) return;
    if ((isPort(left) && isLiteral(right)) || (isPort(right) && isLiteral(left))) harmless++;
  });
  return uses === harmless;
}

/** Ports from which on a comparison with a literal may answer differently. */
export function portBoundaries(root: Expr): readonly number[] {
  const starts: number[] = [];
  walk(root, (expr) => {
    if (expr.kind !== "literal" || (expr.value.type !== "int" && expr.value.type !== "double")) return;
    const value = Math.floor(Number(expr.value.value));
    if (value >= 0 && value <= MAX_PORT) starts.push(value, value + 1);
  });
  return starts;
}

const isConnection = (expr: Expr): boolean => expr.kind === "ident" && expr.name === "connection";
const isPort = (expr: Expr): boolean => expr.kind === "select" && expr.field === "port" && isConnection(expr.operand);
const isLiteral = (expr: Expr): boolean =>
  expr.kind === "literal" || (expr.kind === "list" && expr.elements.every(({ value }) => isLiteral(value)));

/** An expression as text in which bound names do not matter: equal texts are equal conditions. */
import type { Expr } from "../../cel/ast.ts";
import { unparse } from "../../cel/unparse.ts";

interface Scope {
  /** How many binders there are around: makes names that no other binder around has. */
  readonly depth: number;
  readonly names: ReadonlyMap<string, string>;
}
const OUTERMOST: Scope = { depth: 0, names: new Map() };

function bound({ depth, names }: Scope, bindings: readonly (string | null)[]): Scope {
  const inner = new Map(names);
  for (const [index, name] of bindings.entries()) if (name !== null) inner.set(name, `$${depth}.${index}`);
  return { depth: depth + 1, names: inner };
}

export function canonicalText(expr: Expr, scope: Scope = OUTERMOST): string {
  const text = (child: Expr, inner: Scope = scope): string => canonicalText(child, inner);
  switch (expr.kind) {
    case "literal":
      return `${expr.value.type}:${unparse(expr)}`;
    case "ident":
      return scope.names.get(expr.name) ?? JSON.stringify(expr.name);
    case "select":
      return `(select ${text(expr.operand)} ${JSON.stringify(expr.field)} ${expr.testOnly} ${expr.optional})`;
    case "call":
      return `(call ${expr.fn} ${expr.target === null ? "" : text(expr.target)} [${expr.args.map((each) => text(each)).join(" ")}])`;
    case "list":
      return `(list ${expr.elements.map(({ value, optional }) => `${optional ? "?" : ""}${text(value)}`).join(" ")})`;
    case "map":
      return `(map ${expr.entries.map(({ key, value, optional }) => `${optional ? "?" : ""}${text(key)} ${text(value)}`).join(" ")})`;
    case "struct":
      return `(struct ${expr.typeName} ${expr.fields.map(({ name, value, optional }) => `${optional ? "?" : ""}${name} ${text(value)}`).join(" ")})`;
    case "comprehension": {
      const inner = bound(scope, [expr.var1, expr.var2]);
      const filter = expr.filter === null ? "" : text(expr.filter, inner);
      return `(${expr.macro} ${expr.var2 === null ? 1 : 2} ${text(expr.range)} [${filter}] ${text(expr.body, inner)})`;
    }
    case "bind":
      return `(bind ${text(expr.value)} ${text(expr.body, bound(scope, [expr.name]))})`;
    case "optMap":
      return `(optMap ${expr.flat} ${text(expr.target)} ${text(expr.body, bound(scope, [expr.name]))})`;
    case "block":
      return `(block [${expr.slots.map((each) => text(each)).join(" ")}] ${text(expr.result)})`;
    default:
      return expr satisfies never;
  }
}

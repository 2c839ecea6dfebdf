/** What the value of a sub-expression depends on. */
import type { Expr } from "../ast.ts";
import type { CheckedExpression } from "../checked-expression.ts";
import { childrenOf } from "../traversal.ts";
import { attributeOf } from "./unknown-attributes.ts";

export interface Dependency {
  /** Whether it reads something unknown, or calls a function whose result is not fixed yet. */
  readonly isUnknown: boolean;
  /** Local variables of expressions around it. */
  readonly locals: ReadonlySet<string>;
}

const NO_LOCALS: ReadonlySet<string> = new Set();
const KNOWN: Dependency = { isUnknown: false, locals: NO_LOCALS };

/** The dependency of each node, by id. `isUnknown` judges attributes of variables that are not local. */
export function dependenciesOf(
  checked: CheckedExpression,
  isUnknown: (attribute: readonly string[]) => boolean,
): readonly (Dependency | undefined)[] {
  const dependencies: Dependency[] = [];

  function visit(expr: Expr, locals: ReadonlySet<string>): Dependency {
    const ofParts = visitParts(expr, locals);
    const dependency = ofName(expr, locals) ?? (isVolatile(expr, checked) ? { ...ofParts, isUnknown: true } : ofParts);
    dependencies[expr.id] = dependency;
    return dependency;
  }

  function visitParts(expr: Expr, locals: ReadonlySet<string>): Dependency {
    switch (expr.kind) {
      case "comprehension": {
        const names = expr.var2 === null ? [expr.var1] : [expr.var1, expr.var2];
        const inner = new Set([...locals, ...names]);
        const parts = (expr.filter === null ? [expr.body] : [expr.filter, expr.body]).map((part) => visit(part, inner));
        return merge([visit(expr.range, locals), without(merge(parts), names)]);
      }
      case "bind":
        return merge([visit(expr.value, locals), without(visit(expr.body, new Set([...locals, expr.name])), [expr.name])]);
      case "optMap":
        return merge([visit(expr.target, locals), without(visit(expr.body, new Set([...locals, expr.name])), [expr.name])]);
      case "block": {
        const names = expr.slots.map((_, index) => `@index${index}`);
        const parts = expr.slots.map((slot, index) => visit(slot, new Set([...locals, ...names.slice(0, index)])));
        return without(merge([...parts, visit(expr.result, new Set([...locals, ...names]))]), names);
      }
      default:
        return merge(operandsOf(expr, checked).map((part) => visit(part, locals)));
    }
  }

  function ofName(expr: Expr, locals: ReadonlySet<string>): Dependency | null {
    const attribute = attributeOf(expr, checked);
    const [root] = attribute ?? [];
    if (attribute === null || root === undefined) return null;
    if (!locals.has(root) || isRooted(expr)) return { isUnknown: isUnknown(attribute), locals: NO_LOCALS };
    return expr.kind === "ident" ? { isUnknown: false, locals: new Set([root]) } : null;
  }

  visit(checked.root, NO_LOCALS);
  return dependencies;
}

/** Whether a name begins with a dot, which passes over local variables. */
function isRooted(expr: Expr): boolean {
  let node = expr;
  for (;;) {
    if (node.kind === "ident") return node.name.startsWith(".");
    const inner = node.kind === "select" ? node.operand : node.kind === "call" ? node.args[0] : undefined;
    if (inner === undefined) return false;
    node = inner;
  }
}

/** The sub-expressions that are evaluated: a qualified name has none, and the namespace of a function is none. */
export function operandsOf(expr: Expr, checked: CheckedExpression): readonly Expr[] {
  const reference = checked.references.get(expr.id);
  if (expr.kind === "select" && reference !== undefined) return [];
  if (expr.kind === "call" && reference?.kind === "function") return expr.args;
  return childrenOf(expr);
}

/** Whether it is a call whose result depends on more than its arguments. */
export function isVolatile(expr: Expr, checked: CheckedExpression): boolean {
  const reference = checked.references.get(expr.id);
  return (reference?.kind === "overloads" || reference?.kind === "function") && reference.overloads.some((overload) => overload.isVolatile);
}

function merge(parts: readonly Dependency[]): Dependency {
  const [first = KNOWN, ...others] = parts.filter((part) => part.isUnknown || part.locals.size > 0);
  if (others.length === 0) return first;
  return {
    isUnknown: parts.some((part) => part.isUnknown),
    locals: new Set(parts.flatMap((part) => [...part.locals])),
  };
}

function without({ isUnknown, locals }: Dependency, names: readonly string[]): Dependency {
  const outer = [...locals].filter((name) => !names.includes(name));
  return { isUnknown, locals: outer.length === 0 ? NO_LOCALS : new Set(outer) };
}

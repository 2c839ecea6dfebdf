import type { Call, Expr } from "../ast.ts";
import type { CheckedExpression, Reference } from "../checked-expression.ts";
import type { Overload } from "../declaration.ts";
import type { Declarations, FunctionSignatures } from "../declarations.ts";
import type { ParsedExpression } from "../parser.ts";
import { qualifiedName, rootName } from "../qualified-name.ts";
import { childrenOf } from "../traversal.ts";
import { type CelType, DYN } from "../type.ts";

/** Resolves the names of a tree without the type checker: every type is dyn, every call has all overloads of its name. */
export function resolveUnchecked(parsed: ParsedExpression, scope: Declarations): CheckedExpression {
  const references = new Map<number, Reference>();
  new Resolver(scope, references).resolve(parsed.root, new Set());
  return { ...parsed, types: new Array<CelType>(parsed.nodeCount).fill(DYN), references, resultType: DYN };
}

class Resolver {
  readonly scope: Declarations;
  readonly references: Map<number, Reference>;

  constructor(scope: Declarations, references: Map<number, Reference>) {
    this.scope = scope;
    this.references = references;
  }

  resolve(expr: Expr, locals: ReadonlySet<string>): void {
    switch (expr.kind) {
      case "ident":
        if (locals.has(expr.name)) this.references.set(expr.id, { kind: "variable", name: expr.name });
        else if (!this.resolveName(expr, expr.name)) this.references.set(expr.id, { kind: "variable", name: expr.name.replace(/^\./, "") });
        return;
      case "select":
        if (!this.isQualifiedName(expr, locals)) this.resolve(expr.operand, locals);
        return;
      case "call":
        this.resolveCall(expr, locals);
        return;
      case "comprehension": {
        this.resolve(expr.range, locals);
        const inner = new Set([...locals, expr.var1, ...(expr.var2 === null ? [] : [expr.var2])]);
        if (expr.filter !== null) this.resolve(expr.filter, inner);
        this.resolve(expr.body, inner);
        return;
      }
      case "bind":
        this.resolve(expr.value, locals);
        this.resolve(expr.body, new Set([...locals, expr.name]));
        return;
      case "optMap":
        this.resolve(expr.target, locals);
        this.resolve(expr.body, new Set([...locals, expr.name]));
        return;
      case "block": {
        const inner = new Set(locals);
        for (const [index, slot] of expr.slots.entries()) {
          this.resolve(slot, inner);
          inner.add(`@index${index}`);
        }
        this.resolve(expr.result, inner);
        return;
      }
      case "struct": {
        const type = this.scope.findStructType(expr.typeName);
        if (type !== undefined) this.references.set(expr.id, { kind: "type", name: type.name });
        for (const field of expr.fields) this.resolve(field.value, locals);
        return;
      }
      default:
        for (const child of childrenOf(expr)) this.resolve(child, locals);
    }
  }

  isQualifiedName(expr: Expr, locals: ReadonlySet<string>): boolean {
    const root = rootName(expr);
    const name = qualifiedName(expr);
    return root !== undefined && name !== undefined && !locals.has(root) && this.resolveName(expr, name);
  }

  resolveName(expr: Expr, name: string): boolean {
    const found = this.scope.findIdentifier(name);
    if (found === undefined) return false;
    const { name: qualified, value } = found;
    this.references.set(
      expr.id,
      value === undefined ? { kind: "variable", name: qualified } : { kind: "constant", name: qualified, value },
    );
    return true;
  }

  resolveCall(call: Call, locals: ReadonlySet<string>): void {
    for (const argument of call.args) this.resolve(argument, locals);
    const { target } = call;
    if (target === null) {
      this.refer(call, this.scope.findFunction(call.fn), false);
      return;
    }
    const root = rootName(target);
    const namespace = root === undefined || locals.has(root) ? undefined : qualifiedName(target);
    const namespaced = namespace === undefined ? undefined : this.scope.findFunction(`${namespace}.${call.fn}`);
    if (namespaced !== undefined) {
      this.refer(call, namespaced, false);
      return;
    }
    this.resolve(target, locals);
    this.refer(call, this.scope.findFunction(call.fn), true);
  }

  refer(call: Call, found: FunctionSignatures | undefined, isMember: boolean): void {
    const overloads: readonly Overload[] = (found?.signatures ?? [])
      .map((signature) => signature.overload)
      .filter((overload) => overload.isMember === isMember);
    const isOwnName = found === undefined || isMember || found.name === call.fn;
    this.references.set(call.id, isOwnName ? { kind: "overloads", overloads } : { kind: "function", name: found.name, overloads });
  }
}

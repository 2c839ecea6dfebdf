/**
 * Partial evaluation of one tree: what is known is evaluated, what depends on something unknown is rebuilt around it. Follows
 * the back ends step by step: an error decides a strict operation, and is absorbed where CEL absorbs it.
 */
import type { Bind, Block, Call, Expr, Ident, ListExpr, MapExpr, OptMap, Select, StructExpr } from "../ast.ts";
import type { CheckedExpression } from "../checked-expression.ts";
import { compileClosure } from "../closure/compile.ts";
import { createFrame } from "../frame.ts";
import { lower } from "../plan/lowering.ts";
import { optional, presence } from "../runtime/access.ts";
import { boolError } from "../runtime/operation.ts";
import { DYN } from "../type.ts";
import { CelError, CelOptional, type CelValue, NONE } from "../value.ts";
import { unroll } from "./comprehension-unrolling.ts";
import { type Dependency, dependenciesOf, isVolatile, operandsOf } from "./dependency.ts";
import { KnownEvaluator, type KnownWorld } from "./known-evaluator.ts";
import type { LazyVariables } from "./lazy-variables.ts";
import { combineTerms, type Term } from "./logic.ts";
import { isError, known, type Outcome, residual, type Scope } from "./outcome.ts";
import type { Origin, ResidualBuilder, Shape } from "./residual-builder.ts";
import { attributeOf } from "./unknown-attributes.ts";

/** What all trees of one partial evaluation share. */
export interface Specialization {
  readonly world: KnownWorld;
  readonly builder: ResidualBuilder;
  /** Judges variables of the frame and their fields. */
  readonly isUnknown: (attribute: readonly string[]) => boolean;
  readonly lazy: LazyVariables;
}

export class Specializer {
  readonly shared: Specialization;
  readonly #checked: CheckedExpression;
  readonly #evaluator: KnownEvaluator;
  readonly #dependencies: readonly (Dependency | undefined)[];

  constructor(checked: CheckedExpression, shared: Specialization) {
    this.shared = shared;
    this.#checked = checked;
    this.#evaluator = new KnownEvaluator(checked, shared.world);
    this.#dependencies = dependenciesOf(checked, shared.isUnknown);
  }

  specialize(expr: Expr, scope: Scope | null): Outcome {
    const locals = this.#knownLocals(expr, scope);
    if (locals !== null) return known(this.#evaluator.evaluate(expr, locals));
    switch (expr.kind) {
      case "literal":
        return known(this.#evaluator.evaluate(expr, new Map()));
      case "ident":
        return this.#name(expr, expr.name);
      case "select":
        return this.#select(expr, scope);
      case "call":
        return this.#call(expr, scope);
      case "list":
        return this.#list(expr, scope);
      case "map":
        return this.#map(expr, scope);
      case "struct":
        return this.#struct(expr, scope);
      case "comprehension":
        return unroll(this, expr, scope);
      case "bind":
        return this.#bind(expr, scope);
      case "optMap":
        return this.#optMap(expr, scope);
      case "block":
        return this.#block(expr, scope);
      default:
        return expr satisfies never;
    }
  }

  originOf(expr: Expr): Origin {
    return { start: expr.start, end: expr.end, type: this.#checked.types[expr.id] ?? DYN };
  }

  /** The outcome of `expr` as an expression. */
  rebuild(expr: Expr, outcome: Outcome): Expr {
    return outcome.kind === "residual" ? outcome.expr : this.shared.builder.constant(outcome.value, this.originOf(expr));
  }

  /** A new node in the place of `expr`; evaluated at once if none of its parts is open. */
  settle(expr: Expr, shape: Shape, parts: readonly Outcome[]): Outcome {
    const { builder, world } = this.shared;
    const node = this.#node(expr, shape);
    if (parts.some((part) => part.kind === "residual")) return residual(node);
    const closed = builder.finish(node, this.#checked.source, DYN);
    const frame = createFrame({}, world.frame.costLimit);
    frame.cost = world.frame.cost;
    const value = compileClosure(lower(closed, world.lowering))(frame);
    world.frame.cost = frame.cost;
    return known(value);
  }

  /** A new node in the place of `expr`, with its type and reference. */
  #node(expr: Expr, shape: Shape): Expr {
    return this.shared.builder.add(shape, this.originOf(expr), this.#checked.references.get(expr.id));
  }

  /** The values of the local variables that `expr` depends on, if all of it is known. */
  #knownLocals(expr: Expr, scope: Scope | null): ReadonlyMap<string, CelValue> | null {
    const dependency = this.#dependencies[expr.id];
    if (dependency === undefined || dependency.isUnknown) return null;
    const locals = new Map<string, CelValue>();
    for (const name of dependency.locals) {
      const value = findLocal(scope, name);
      if (value === undefined) return null;
      locals.set(name, value);
    }
    return locals;
  }

  /** A variable that is not known: of the frame, local, or lazy. */
  #name(expr: Ident | Select, name: string): Outcome {
    const { builder, lazy } = this.shared;
    const attribute = attributeOf(expr, this.#checked);
    const isLocal = (this.#dependencies[expr.id]?.locals.size ?? 0) > 0;
    const origin = this.originOf(expr);
    const found = isLocal || attribute === null ? null : lazy.find(attribute, origin);
    return found ?? residual(builder.add({ kind: "ident", name }, origin, this.#checked.references.get(expr.id)));
  }

  #select(expr: Select, scope: Scope | null): Outcome {
    const reference = this.#checked.references.get(expr.id);
    if (reference?.kind === "variable") return this.#name(expr, reference.name);
    const { operand, testOnly, optional: isOptional } = expr;
    if (operand.kind === "ident" && (this.#dependencies[operand.id]?.locals.size ?? 0) === 0) {
      const attribute = attributeOf(expr, this.#checked) ?? [];
      const found = isOptional ? null : testOnly ? this.shared.lazy.has(attribute) : this.shared.lazy.find(attribute, this.originOf(expr));
      if (found !== null) return found;
    }
    const outcome = this.specialize(operand, scope);
    if (isError(outcome)) return outcome;
    return this.settle(expr, { ...shapeOf(expr), operand: this.rebuild(operand, outcome) }, [outcome]);
  }

  #call(expr: Call, scope: Scope | null): Outcome {
    const [first, second, third] = operandsOf(expr, this.#checked);
    if ((expr.fn === "_&&_" || expr.fn === "_||_") && first !== undefined) {
      return combineTerms(this.shared.builder, expr.fn === "_&&_", this.#terms(expr, expr.fn, scope));
    }
    if (expr.fn === "_?_:_" && first !== undefined && second !== undefined && third !== undefined) {
      return this.#conditional(expr, [first, second, third], scope);
    }
    if ((expr.fn === "or" || expr.fn === "orValue") && first !== undefined && second !== undefined) {
      return this.#alternative(expr, first, second, scope);
    }
    const outcomes: Outcome[] = [];
    for (const operand of operandsOf(expr, this.#checked)) {
      const outcome = this.specialize(operand, scope);
      if (isError(outcome)) return outcome;
      outcomes.push(outcome);
    }
    return this.#applied(expr, outcomes);
  }

  /** The call with what its operands came to. */
  #applied(expr: Call, outcomes: readonly Outcome[]): Outcome {
    const operands = operandsOf(expr, this.#checked);
    const rebuilt = operands.map((operand, index) => this.rebuild(operand, outcomes[index] ?? known(null)));
    const isReceiver = expr.target !== null && operands.length > expr.args.length;
    const target = isReceiver ? (rebuilt[0] ?? null) : expr.target === null ? null : this.#namespace(expr.target);
    const shape = { ...shapeOf(expr), target, args: isReceiver ? rebuilt.slice(1) : rebuilt };
    return isVolatile(expr, this.#checked) ? residual(this.#node(expr, shape)) : this.settle(expr, shape, outcomes);
  }

  /** A copy of the namespace of a function, which is never evaluated. */
  #namespace(expr: Expr): Expr {
    const { builder } = this.shared;
    if (expr.kind === "select") return builder.add({ ...shapeOf(expr), operand: this.#namespace(expr.operand) }, this.originOf(expr));
    return builder.add({ kind: "ident", name: expr.kind === "ident" ? expr.name : "" }, this.originOf(expr));
  }

  *#terms(expr: Expr, fn: string, scope: Scope | null): Iterable<Term> {
    if (expr.kind === "call" && expr.fn === fn) for (const arg of expr.args) yield* this.#terms(arg, fn, scope);
    else yield { outcome: this.specialize(expr, scope), ...this.originOf(expr) };
  }

  #conditional(expr: Call, [condition, yes, no]: readonly [Expr, Expr, Expr], scope: Scope | null): Outcome {
    const decision = this.specialize(condition, scope);
    if (decision.kind === "known") {
      if (typeof decision.value === "boolean") return this.specialize(decision.value ? yes : no, scope);
      return known(boolError(decision.value, condition.start, condition.end));
    }
    return this.#applied(expr, [decision, this.specialize(yes, scope), this.specialize(no, scope)]);
  }

  /** `target.or(other)` and `target.orValue(other)`, which need the other only if there is no target. */
  #alternative(expr: Call, target: Expr, other: Expr, scope: Scope | null): Outcome {
    const outcome = this.specialize(target, scope);
    if (isError(outcome)) return outcome;
    if (outcome.kind === "known" && outcome.value instanceof CelOptional) {
      if (outcome.value.hasValue) return expr.fn === "or" ? outcome : known(outcome.value.value);
      if (expr.fn === "orValue") return this.specialize(other, scope);
    }
    return this.#applied(expr, [outcome, this.specialize(other, scope)]);
  }

  #list(expr: ListExpr, scope: Scope | null): Outcome {
    const outcomes: Outcome[] = [];
    const elements: { value: Expr; optional: boolean }[] = [];
    for (const element of expr.elements) {
      const outcome = this.specialize(element.value, scope);
      if (isError(outcome)) return outcome;
      const present = presentPart(outcome, element.optional);
      if (present === null) continue;
      outcomes.push(present.outcome);
      elements.push({ value: this.rebuild(element.value, present.outcome), optional: present.optional });
    }
    return this.settle(expr, { kind: "list", elements }, outcomes);
  }

  #map(expr: MapExpr, scope: Scope | null): Outcome {
    const outcomes: Outcome[] = [];
    const entries: { key: Expr; value: Expr; optional: boolean }[] = [];
    for (const entry of expr.entries) {
      const key = this.specialize(entry.key, scope);
      if (isError(key)) return key;
      const value = this.specialize(entry.value, scope);
      if (isError(value)) return value;
      // The key of an absent value is evaluated all the same.
      const present = presentPart(value, entry.optional) ?? (key.kind === "known" ? null : { outcome: value, optional: true });
      if (present === null) continue;
      outcomes.push(key, present.outcome);
      entries.push({
        key: this.rebuild(entry.key, key),
        value: this.rebuild(entry.value, present.outcome),
        optional: present.optional,
      });
    }
    return this.settle(expr, { kind: "map", entries }, outcomes);
  }

  #struct(expr: StructExpr, scope: Scope | null): Outcome {
    const outcomes: Outcome[] = [];
    const fields: StructExpr["fields"][number][] = [];
    for (const field of expr.fields) {
      const outcome = this.specialize(field.value, scope);
      if (isError(outcome)) return outcome;
      const present = presentPart(outcome, field.optional);
      if (present === null) continue;
      outcomes.push(present.outcome);
      fields.push({ ...field, value: this.rebuild(field.value, present.outcome), optional: present.optional });
    }
    return this.settle(expr, { ...shapeOf(expr), fields }, outcomes);
  }

  /** A value that is bound but not needed is not evaluated, so its error does not count. */
  #bind(expr: Bind, scope: Scope | null): Outcome {
    const value = this.specialize(expr.value, scope);
    const inner = { name: expr.name, value: value.kind === "known" ? value.value : undefined, outer: scope };
    const body = this.specialize(expr.body, inner);
    if (value.kind === "known" || body.kind === "known") return body;
    return this.settle(expr, { ...shapeOf(expr), value: value.expr, body: body.expr }, [value, body]);
  }

  #optMap(expr: OptMap, scope: Scope | null): Outcome {
    const target = this.specialize(expr.target, scope);
    let value: CelValue | undefined;
    if (target.kind === "known") {
      value = presence(target.value, "optMap", this.shared.world.lowering.isPresenceStrict, expr.target.start, expr.target.end);
      if (value === undefined) return known(NONE);
      if (value instanceof CelError) return known(value);
    }
    const body = this.specialize(expr.body, { name: expr.name, value, outer: scope });
    if (target.kind === "known" && body.kind === "known" && !expr.flat) return known(optional(body.value));
    const shape = { ...shapeOf(expr), target: this.rebuild(expr.target, target), body: this.rebuild(expr.body, body) };
    return this.settle(expr, shape, [target, body]);
  }

  #block(expr: Block, scope: Scope | null): Outcome {
    let inner = scope;
    const slots = expr.slots.map((slot, index) => {
      const outcome = this.specialize(slot, inner);
      inner = { name: `@index${index}`, value: outcome.kind === "known" ? outcome.value : undefined, outer: inner };
      return outcome;
    });
    const result = this.specialize(expr.result, inner);
    if (result.kind === "known" || slots.every((slot) => slot.kind === "known")) return result;
    // A slot that is known is read nowhere any more, but the others keep their numbers.
    const rebuilt = slots.map((slot, index) => this.rebuild(expr.slots[index] ?? expr, slot.kind === "known" ? known(null) : slot));
    return this.settle(expr, { kind: "block", slots: rebuilt, result: result.expr }, [result]);
  }
}

/** An element, or the value of an entry or field; null when it is an optional one that is known to be absent. */
function presentPart(outcome: Outcome, isOptional: boolean): { readonly outcome: Outcome; readonly optional: boolean } | null {
  if (!isOptional || outcome.kind === "residual" || !(outcome.value instanceof CelOptional)) return { outcome, optional: isOptional };
  return outcome.value.hasValue ? { outcome: known(outcome.value.value), optional: false } : null;
}

function findLocal(scope: Scope | null, name: string): CelValue | undefined {
  for (let local = scope; local !== null; local = local.outer) if (local.name === name) return local.value;
  return undefined;
}

/** A node without its number and position. */
function shapeOf<E extends Expr>({ id, start, end, ...shape }: E): Omit<E, "id" | "start" | "end"> {
  return shape;
}

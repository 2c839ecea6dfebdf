/**
 * What an expression can cost, before it runs: the least and the most in Kubernetes' units, from the sizes that its
 * variables can have. The rules are those of cel-go's checker (checker/cost.go), with our macros taken as the folds that
 * cel-go expands them to.
 */
import type { Bind, Block, Call, Comprehension, Expr, ListExpr, Literal, MapExpr, OptMap, Select } from "../ast.ts";
import type { CheckedExpression } from "../checked-expression.ts";
import type { CostRange, Overload } from "../declaration.ts";
import { plus, range, times, UNBOUNDED } from "../library/cost.ts";
import { MACRO_COSTS } from "../plan/static-cost.ts";
import { LIST_COST, MAP_COST, STRUCT_COST } from "../runtime/cost.ts";
import { type CelType, DYN } from "../type.ts";
import { type CostShare, dominatingPath, type Estimate, type Part } from "./dominating-path.ts";
import { type EntrySize, fixedSize, union, unionOfEntries } from "./size.ts";

/**
 * The sizes that the value at `path` can have, or undefined when nothing is known. A path begins with a variable and goes on
 * with fields, `@items` and `@indices` of lists, `@keys` and `@values` of maps.
 */
export type SizeHints = (path: readonly string[], type: CelType) => CostRange | undefined;

export interface EstimateOptions {
  readonly sizes?: SizeHints;
  /** What `has(x.f)` costs beside `x`: 0 by default, as in Kubernetes; cel-go's own default is 1. */
  readonly presenceTestCost?: number;
}

export interface CostEstimate {
  /** `max` is Infinity where no size bounds it. */
  readonly cost: CostRange;
  /** From the root down, the expressions that cause most of the maximum, each with its share of it in units. */
  readonly dominating: readonly CostShare[];
}

/** A local variable, with what is known of its value. */
interface Local extends Pick<Estimate, "path" | "size" | "entries"> {
  readonly name: string;
  readonly outer: Local | null;
}

const FREE: CostRange = range(0);
const ONE: CostRange = range(1);
const NO_ENTRIES: CostRange = range(0);

/** The least and the most that `checked` can cost. */
export function estimateCost(checked: CheckedExpression, options: EstimateOptions = {}): CostEstimate {
  const root = new Estimator(checked, options).estimate(checked.root, null);
  return { cost: root.cost, dominating: dominatingPath(root) };
}

class Estimator {
  readonly #checked: CheckedExpression;
  readonly #sizes: SizeHints;
  readonly #presenceTestCost: CostRange;

  constructor(checked: CheckedExpression, options: EstimateOptions) {
    this.#checked = checked;
    this.#sizes = options.sizes ?? (() => undefined);
    this.#presenceTestCost = range(options.presenceTestCost ?? 0);
  }

  estimate(expr: Expr, scope: Local | null): Estimate {
    switch (expr.kind) {
      case "literal":
        return { expr, cost: FREE, size: literalSize(expr), parts: [] };
      case "ident":
        return this.#name(expr, expr.name, scope);
      case "select":
        return this.#select(expr, scope);
      case "call":
        return this.#call(expr, scope);
      case "list":
        return this.#list(expr, scope);
      case "map":
        return this.#map(expr, scope);
      case "struct":
        return sum(
          expr,
          range(STRUCT_COST),
          expr.fields.map((field) => this.estimate(field.value, scope)),
        );
      case "comprehension":
        return this.#comprehension(expr, scope);
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

  #typeOf(expr: Expr): CelType {
    return this.#checked.types[expr.id] ?? DYN;
  }

  /** The size of the value at `path`, or of every value of the type of `expr`. */
  #sizeAt(expr: Expr, path?: readonly string[]): CostRange | undefined {
    const type = this.#typeOf(expr);
    return (path === undefined ? undefined : this.#sizes(path, type)) ?? fixedSize(type);
  }

  #elementSize({ expr, path, entries }: Estimate): CostRange {
    const type = this.#typeOf(expr);
    if (entries !== undefined || type.kind !== "list") return entries?.value ?? UNBOUNDED;
    return (path === undefined ? undefined : this.#sizes([...path, "@items"], type.element)) ?? fixedSize(type.element) ?? UNBOUNDED;
  }

  #name(expr: Expr, name: string, scope: Local | null): Estimate {
    const local = findLocal(scope, name);
    const path = local === null ? [name.replace(/^\./, "")] : local.path;
    return { expr, cost: ONE, path, size: this.#sizeAt(expr, path) ?? local?.size, entries: local?.entries, parts: [] };
  }

  #select(expr: Select, scope: Local | null): Estimate {
    const reference = this.#checked.references.get(expr.id);
    if (reference?.kind === "variable" || reference?.kind === "constant") return this.#name(expr, reference.name, null);
    const operand = this.estimate(expr.operand, scope);
    if (expr.testOnly) return sum(expr, this.#presenceTestCost, [operand]);
    if (expr.optional) return { ...sum(expr, ONE, [operand]), size: this.#sizeAt(expr) };
    // A field of a dyn value is part of the name that it is read from.
    const { kind } = this.#typeOf(expr.operand);
    const own = kind === "map" || kind === "object" || kind === "param" ? ONE : FREE;
    const path = append(operand.path, expr.field);
    return { ...sum(expr, own, [operand]), path, size: this.#sizeAt(expr, path) };
  }

  #call(expr: Call, scope: Local | null): Estimate {
    const reference = this.#checked.references.get(expr.id);
    const hasReceiver = expr.target !== null && reference?.kind !== "function";
    const operands = (hasReceiver && expr.target !== null ? [expr.target, ...expr.args] : expr.args).map((arg) =>
      this.estimate(arg, scope),
    );
    const [first, second, third] = operands;
    if (expr.fn === "dyn" && first !== undefined) return { ...sum(expr, ONE, [first]), size: first.size, entries: first.entries };
    if ((expr.fn === "_&&_" || expr.fn === "_||_") && first !== undefined && second !== undefined) {
      const cost = range(first.cost.min, first.cost.max + second.cost.max);
      return { expr, cost, size: ONE, parts: operands.map(once) };
    }
    if (expr.fn === "_?_:_" && first !== undefined && second !== undefined && third !== undefined) {
      const cost = plus(first.cost, union(second.cost, third.cost));
      const size = union(sizeOf(second), sizeOf(third));
      return { expr, cost, size, entries: unionOfEntries(second.entries, third.entries), parts: operands.map(once) };
    }
    const overloads = reference?.kind === "overloads" || reference?.kind === "function" ? reference.overloads : [];
    const { cost, resultSize } = callCost(
      overloads,
      operands.map(sizeOf),
      operands.map((operand) => this.#elementSize(operand)),
    );
    const call = sum(expr, cost, operands);
    if (expr.fn === "_[_]") {
      const path = append(first?.path, overloads.some(({ id }) => id === "index_map") ? "@values" : "@items");
      return { ...call, path, size: first?.entries?.value ?? this.#sizeAt(expr, path) };
    }
    const entries = expr.fn === "_+_" ? unionOfEntries(first?.entries, second?.entries) : undefined;
    return { ...call, size: resultSize ?? this.#sizeAt(expr), entries };
  }

  #list(expr: ListExpr, scope: Local | null): Estimate {
    const elements = expr.elements.map(({ value }) => this.estimate(value, scope));
    const entries: EntrySize = { isList: true, key: ONE, value: unionOfSizes(elements) };
    return { ...sum(expr, range(LIST_COST), elements), size: range(elements.length), entries };
  }

  #map(expr: MapExpr, scope: Local | null): Estimate {
    const keys = expr.entries.map(({ key }) => this.estimate(key, scope));
    const values = expr.entries.map(({ value }) => this.estimate(value, scope));
    const entries: EntrySize = { isList: false, key: unionOfSizes(keys), value: unionOfSizes(values) };
    return { ...sum(expr, range(MAP_COST), [...keys, ...values]), size: range(values.length), entries };
  }

  #comprehension(expr: Comprehension, scope: Local | null): Estimate {
    const over = this.estimate(expr.range, scope);
    const inner = this.#iterate(expr, over, scope);
    const filter = expr.filter === null ? null : this.estimate(expr.filter, inner);
    const body = this.estimate(expr.body, inner);
    const size = sizeOf(over);
    const turns = times(size, turnCost(expr, filter, body));
    const parts = [once(over), ...[filter, body].flatMap((part) => (part === null ? [] : [{ estimate: part, times: size.max }]))];
    const cost = plus(plus(over.cost, range(MACRO_COSTS[expr.macro].once)), turns);
    return { expr, cost, parts, ...this.#resultOf(expr, size, body, inner) };
  }

  /** The scope of the body: the variables that run over keys and values. */
  #iterate(expr: Comprehension, over: Estimate, scope: Local | null): Local {
    const isList = over.entries === undefined ? this.#typeOf(expr.range).kind === "list" : over.entries.isList;
    const key = { path: append(over.path, isList ? "@indices" : "@keys"), size: over.entries?.key, entries: undefined };
    const value = { path: append(over.path, isList ? "@items" : "@values"), size: over.entries?.value, entries: undefined };
    if (expr.var2 === null) return { name: expr.var1, ...(isList ? value : key), outer: scope };
    return { name: expr.var2, ...value, outer: { name: expr.var1, ...key, outer: scope } };
  }

  /** How large the result of a macro is, and its elements, which were none to begin with. */
  #resultOf(expr: Comprehension, size: CostRange, body: Estimate, inner: Local): Pick<Estimate, "size" | "entries"> {
    switch (expr.macro) {
      case "all":
      case "exists":
      case "existsOne":
        return { size: ONE };
      case "transformMap":
      case "transformMapEntry":
        return { size };
      default: {
        const element = expr.macro === "filter" ? (this.#sizeOfLocal(expr, inner) ?? UNBOUNDED) : sizeOf(body);
        return { size, entries: { isList: true, key: ONE, value: union(NO_ENTRIES, element) } };
      }
    }
  }

  /** The size of the elements that a filter keeps. */
  #sizeOfLocal(expr: Comprehension, local: Local): CostRange | undefined {
    const type = this.#typeOf(expr.range);
    const element = type.kind === "list" ? type.element : type.kind === "map" ? type.key : DYN;
    return (local.path === undefined ? undefined : this.#sizes(local.path, element)) ?? fixedSize(element) ?? local.size;
  }

  #bind(expr: Bind, scope: Local | null): Estimate {
    const value = this.estimate(expr.value, scope);
    const body = this.estimate(expr.body, { ...boundTo(value), name: expr.name, outer: scope });
    // cel-go binds by a fold over an empty list.
    return { ...sum(expr, range(LIST_COST), [value, body]), size: body.size, entries: body.entries };
  }

  /** `target.hasValue() ? optional.of(cel.bind(name, target.value(), body)) : optional.none()`. */
  #optMap(expr: OptMap, scope: Local | null): Estimate {
    const target = this.estimate(expr.target, scope);
    const body = this.estimate(expr.body, { name: expr.name, path: undefined, size: undefined, entries: undefined, outer: scope });
    const present = plus(plus(range(LIST_COST + 1 + (expr.flat ? 0 : 1)), target.cost), body.cost);
    const cost = plus(plus(ONE, target.cost), union(present, ONE));
    return { expr, cost, size: this.#sizeAt(expr), parts: [{ estimate: target, times: 2 }, once(body)] };
  }

  #block(expr: Block, scope: Local | null): Estimate {
    let inner = scope;
    const slots = expr.slots.map((slot, index) => {
      const value = this.estimate(slot, inner);
      inner = { ...boundTo(value), name: `@index${index}`, outer: inner };
      return value;
    });
    const result = this.estimate(expr.result, inner);
    return { ...sum(expr, FREE, [...slots, result]), size: result.size, entries: result.entries };
  }
}

const once = (estimate: Estimate): Part => ({ estimate, times: 1 });
const sizeOf = (estimate: Estimate): CostRange => estimate.size ?? UNBOUNDED;
const boundTo = ({ path, size, entries }: Estimate): Pick<Estimate, "path" | "size" | "entries"> => ({ path, size, entries });

/** All of `operands`, and `own` units beside. */
const sum = (expr: Expr, own: CostRange, operands: readonly Estimate[]): Estimate => ({
  expr,
  cost: operands.reduce((total, operand) => plus(total, operand.cost), own),
  parts: operands.map(once),
});

const unionOfSizes = (estimates: readonly Estimate[]): CostRange =>
  estimates.length === 0 ? NO_ENTRIES : estimates.map(sizeOf).reduce(union);

const append = (path: readonly string[] | undefined, step: string): readonly string[] | undefined =>
  path === undefined ? undefined : [...path, step];

function findLocal(scope: Local | null, name: string): Local | null {
  for (let local = scope; local !== null; local = local.outer) if (local.name === name) return local;
  return null;
}

function literalSize({ value }: Literal): CostRange {
  if (value.type === "string") return range(Array.from(value.value).length);
  return range(value.type === "bytes" ? value.value.length : 1);
}

/** What one of the overloads costs; the size of its result where one of them says. */
function callCost(
  overloads: readonly Overload[],
  sizes: readonly CostRange[],
  elementSizes: readonly CostRange[],
): { readonly cost: CostRange; readonly resultSize: CostRange | undefined } {
  const estimates = overloads.map(({ cost }) =>
    cost === undefined ? { cost: ONE } : (cost.estimate?.(sizes, elementSizes) ?? { cost: range(1, Infinity) }),
  );
  const resultSizes = estimates.flatMap(({ resultSize }) => (resultSize === undefined ? [] : [resultSize]));
  return {
    cost: estimates.length === 0 ? FREE : estimates.map(({ cost }) => cost).reduce(union),
    resultSize: resultSizes.length === 0 ? undefined : resultSizes.reduce(union),
  };
}

/** One turn of a macro's loop: its condition, the filter and the body, and the step that takes up the result. */
function turnCost(expr: Comprehension, filter: Estimate | null, body: Estimate): CostRange {
  const { perBody, onAccept } = MACRO_COSTS[expr.macro];
  switch (expr.macro) {
    case "all":
    case "exists":
      // The step is `result && body`, which need not evaluate the body.
      return range(perBody, perBody + body.cost.max);
    case "existsOne":
    case "filter":
      return plus(body.cost, range(1, onAccept));
    default: {
      const step = plus(body.cost, range(perBody));
      return filter === null ? step : plus(filter.cost, union(step, ONE));
    }
  }
}

/** Macros over a range that is known: what they come to element by element. */
import type { Comprehension, Expr } from "../ast.ts";
import { elements, values } from "../runtime/operation.ts";
import { walk } from "../traversal.ts";
import { DYN } from "../type.ts";
import { CelError, type CelValue } from "../value.ts";
import { combineTerms, operation, type Term } from "./logic.ts";
import { isError, known, type Outcome, residual, type Scope } from "./outcome.ts";
import type { Specializer } from "./specializer.ts";

/** Elements times nodes of the body: a larger loop stays a loop. */
const MAX_UNROLLED_NODES = 10_000;
const MAX_RESIDUAL_NODES = 100_000;

/** One turn of a loop. */
interface Turn {
  /** The element or key, what a filter keeps. */
  readonly element: CelValue;
  /** The index or key that the result of a turn goes with. */
  readonly key: CelValue;
  readonly scope: Scope;
}

export function unroll(specializer: Specializer, expr: Comprehension, scope: Scope | null): Outcome {
  const range = specializer.specialize(expr.range, scope);
  if (range.kind === "known") {
    const turns = turnsOf(expr, range.value, scope);
    if (turns instanceof CelError) return known(turns);
    const isSmall = turns.length * nodeCount(expr) <= MAX_UNROLLED_NODES && specializer.shared.builder.nodeCount <= MAX_RESIDUAL_NODES;
    const unrolled = isSmall ? unrollTurns(specializer, expr, turns) : null;
    if (unrolled !== null) return unrolled;
  }
  return loop(specializer, expr, range, scope);
}

function turnsOf(expr: Comprehension, range: CelValue, scope: Scope | null): readonly Turn[] | CelError {
  const keys = elements(range, expr.start, expr.end);
  if (keys instanceof CelError) return keys;
  const seconds = values(range, keys);
  return keys.map((element, index) => {
    if (expr.var2 === null) return { element, key: element, scope: { name: expr.var1, value: element, outer: scope } };
    const key = Array.isArray(range) ? index : element;
    const outer = { name: expr.var1, value: key, outer: scope };
    return { element: key, key, scope: { name: expr.var2, value: seconds[index] ?? null, outer } };
  });
}

/** The loop without its turns, or null when only running it can tell. */
function unrollTurns(specializer: Specializer, expr: Comprehension, turns: readonly Turn[]): Outcome | null {
  switch (expr.macro) {
    case "all":
    case "exists":
      return combineTerms(specializer.shared.builder, expr.macro === "all", bodies(specializer, expr, turns));
    case "existsOne":
      return existsOne(specializer, expr, turns);
    case "filter":
    case "map":
    case "transformList":
      return list(specializer, expr, turns);
    case "transformMap":
      return map(specializer, expr, turns);
    case "transformMapEntry":
      return null;
    default:
      return expr.macro satisfies never;
  }
}

function* bodies(specializer: Specializer, { body }: Comprehension, turns: readonly Turn[]): Iterable<Term> {
  for (const { scope } of turns) yield { outcome: specializer.specialize(body, scope), ...specializer.originOf(body) };
}

function existsOne(specializer: Specializer, expr: Comprehension, turns: readonly Turn[]): Outcome | null {
  const open: Term[] = [];
  let count = 0;
  for (const term of bodies(specializer, expr, turns)) {
    if (term.outcome.kind === "residual") open.push(term);
    else if (term.outcome.value === true) count++;
    // An error, or what is no bool, is an error of the whole.
    else if (term.outcome.value !== false) return combineTerms(specializer.shared.builder, true, [term]);
  }
  if (open.length === 0) return known(count === 1);
  return open.length === 1 && count === 0 ? combineTerms(specializer.shared.builder, true, open) : null;
}

/** What a turn adds to a list: surely, or if `condition` holds. */
interface Piece {
  readonly condition: Expr | null;
  readonly outcome: Outcome;
}

function list(specializer: Specializer, expr: Comprehension, turns: readonly Turn[]): Outcome {
  const predicate = expr.macro === "filter" ? expr.body : expr.filter;
  const pieces: Piece[] = [];
  for (const { element, scope } of turns) {
    const accepted = predicate === null ? known(true) : specializer.specialize(predicate, scope);
    if (accepted.kind === "known") {
      if (accepted.value === false) continue;
      if (accepted.value !== true)
        return combineTerms(specializer.shared.builder, true, [{ outcome: accepted, ...specializer.originOf(expr) }]);
    }
    const outcome = expr.macro === "filter" ? known(element) : specializer.specialize(expr.body, scope);
    if (accepted.kind === "known" && isError(outcome)) return outcome;
    pieces.push({ condition: accepted.kind === "residual" ? accepted.expr : null, outcome });
  }
  return joined(specializer, expr, pieces);
}

/** The pieces as one list: literals of those that are sure, and `condition ? [x] : []` for the others. */
function joined(specializer: Specializer, expr: Comprehension, pieces: readonly Piece[]): Outcome {
  const { builder } = specializer.shared;
  const origin = specializer.originOf(expr);
  const listOf = (exprs: readonly Expr[]): Expr =>
    builder.add({ kind: "list", elements: exprs.map((value) => ({ value, optional: false })) }, origin);
  const parts: Expr[] = [];
  let sure: Expr[] = [];
  for (const { condition, outcome } of pieces) {
    const value = outcome.kind === "residual" ? outcome.expr : builder.constant(outcome.value, { ...origin, type: DYN });
    if (condition === null) sure.push(value);
    else {
      parts.push(listOf(sure), operation(builder, "_?_:_", [condition, listOf([value]), listOf([])], origin));
      sure = [];
    }
  }
  const all = [...parts, listOf(sure)].filter((part) => part.kind !== "list" || part.elements.length > 0);
  const [first = listOf([]), ...others] = all;
  const whole = others.reduce((left, right) => operation(builder, "_+_", [left, right], origin), first);
  const isOpen = pieces.some(({ condition, outcome }) => condition !== null || outcome.kind === "residual");
  return isOpen ? residual(whole) : known(pieces.flatMap(({ outcome }) => (outcome.kind === "known" ? [outcome.value] : [])));
}

function map(specializer: Specializer, expr: Comprehension, turns: readonly Turn[]): Outcome | null {
  const { builder } = specializer.shared;
  const outcomes: Outcome[] = [];
  const entries: { key: Expr; value: Expr; optional: boolean }[] = [];
  for (const { key, scope } of turns) {
    const accepted = expr.filter === null ? known(true) : specializer.specialize(expr.filter, scope);
    if (accepted.kind === "residual") return null;
    if (accepted.value === false) continue;
    if (accepted.value !== true) return combineTerms(builder, true, [{ outcome: accepted, ...specializer.originOf(expr) }]);
    const outcome = specializer.specialize(expr.body, scope);
    if (isError(outcome)) return outcome;
    outcomes.push(outcome);
    entries.push({
      key: builder.constant(key, specializer.originOf(expr)),
      value: specializer.rebuild(expr.body, outcome),
      optional: false,
    });
  }
  return specializer.settle(expr, { kind: "map", entries }, outcomes);
}

/** The loop as it is, over what its range came to, with bodies for any element. */
function loop(specializer: Specializer, expr: Comprehension, range: Outcome, scope: Scope | null): Outcome {
  const { macro, var1, var2 } = expr;
  const outer = { name: var1, value: undefined, outer: scope };
  const inner = var2 === null ? outer : { name: var2, value: undefined, outer };
  const filter = expr.filter === null ? null : specializer.specialize(expr.filter, inner);
  const body = specializer.specialize(expr.body, inner);
  const shape = {
    ...{ kind: "comprehension" as const, macro, var1, var2 },
    range: specializer.rebuild(expr.range, range),
    filter: expr.filter === null || filter === null ? null : specializer.rebuild(expr.filter, filter),
    body: specializer.rebuild(expr.body, body),
  };
  return specializer.settle(expr, shape, [range, body, ...(filter === null ? [] : [filter])]);
}

function nodeCount(expr: Expr): number {
  let count = 0;
  walk(expr, () => count++);
  return count;
}

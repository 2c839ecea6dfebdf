/** `&&` and `||` of terms of which some are known. */
import type { Expr } from "../ast.ts";
import type { Reference } from "../checked-expression.ts";
import { boolError } from "../runtime/operation.ts";
import { standardLibrary } from "../standard/library.ts";
import type { CelType } from "../type.ts";
import type { CelError } from "../value.ts";
import { known, type Outcome, residual } from "./outcome.ts";
import { boolAt, type ResidualBuilder } from "./residual-builder.ts";

export interface Term {
  readonly outcome: Outcome;
  readonly start: number;
  readonly end: number;
  readonly type: CelType;
}

/**
 * A term that decides makes the whole known, whatever the others are. Of terms that are errors one is kept: an unknown one may
 * still absorb it.
 */
export function combineTerms(builder: ResidualBuilder, isAnd: boolean, terms: Iterable<Term>): Outcome {
  const open: { expr: Expr; type: CelType }[] = [];
  let error: { at: Term; value: CelError } | undefined;
  for (const term of terms) {
    const { outcome, start, end, type } = term;
    if (outcome.kind === "residual") open.push({ expr: outcome.expr, type });
    else if (outcome.value === !isAnd) return outcome;
    else if (outcome.value !== isAnd) error ??= { at: term, value: boolError(outcome.value, start, end) };
  }
  const [first] = open;
  if (first === undefined) return known(error === undefined ? isAnd : error.value);
  const parts = open.map(({ expr }) => expr);
  if (error !== undefined) parts.push(builder.constant(error.value, boolAt(error.at)));
  // A term that is not known to be a bool keeps an operator around it, which makes it an error if it is none.
  else if (parts.length === 1 && first.type.kind !== "bool") parts.push(builder.constant(isAnd, boolAt(first.expr)));
  return residual(balanced(builder, isAnd ? "_&&_" : "_||_", parts));
}

function balanced(builder: ResidualBuilder, fn: string, parts: readonly Expr[]): Expr {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  // The parser balances chains in the same way, so that they are written without parentheses.
  const middle = ((parts.length - 1) >> 1) + 1;
  const left = balanced(builder, fn, parts.slice(0, middle));
  const right = balanced(builder, fn, parts.slice(middle));
  return operation(builder, fn, [left, right], boolAt({ start: left.start, end: right.end }));
}

/** A call of a standard operator. */
export function operation(
  builder: ResidualBuilder,
  fn: string,
  args: readonly Expr[],
  origin: { start: number; end: number; type: CelType },
): Expr {
  return builder.add({ kind: "call", at: origin.start, fn, target: null, args }, origin, operatorReference(fn));
}

function operatorReference(fn: string): Reference {
  const overloads = standardLibrary.functions.find((declaration) => declaration.name === fn)?.overloads ?? [];
  return { kind: "overloads", overloads };
}

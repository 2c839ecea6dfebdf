/** Operators as closures: the usual types at once, everything else by the run-time functions. */
import type { ArithmeticOp, CompareOp, Comparison, EqualOp, InOp, MatchOp, TextOp, TextTest } from "../plan/op.ts";
import { cachedRegex } from "../regex/regex.ts";
import { comparisonCost, matchCost, searchCost, traversalCost } from "../runtime/cost.ts";
import {
  additionCost,
  arithmetic,
  equal,
  greater,
  greaterOrEqual,
  isIn,
  less,
  lessOrEqual,
  matches,
  membershipCost,
  notEqual,
  textError,
} from "../runtime/operation.ts";
import { compileKeyIn } from "./access.ts";
import type { Closure, ClosureCompiler } from "./compile.ts";

export function compileEqual(op: EqualOp, compiler: ClosureCompiler): Closure {
  const left = compiler.compile(op.left);
  const right = compiler.compile(op.right);
  const operate = op.isNegated ? notEqual : equal;
  if (!op.isCostly) return (frame) => operate(left(frame), right(frame));
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    frame.cost += comparisonCost(a, b);
    return operate(a, b);
  };
}

/** Each comparison of two numbers, and of anything. */
const COMPARISONS: Readonly<Record<Comparison, { readonly numbers: (a: number, b: number) => boolean; readonly any: typeof less }>> = {
  "<": { numbers: (a, b) => a < b, any: less },
  "<=": { numbers: (a, b) => a <= b, any: lessOrEqual },
  ">": { numbers: (a, b) => a > b, any: greater },
  ">=": { numbers: (a, b) => a >= b, any: greaterOrEqual },
};

export function compileCompare(op: CompareOp, compiler: ClosureCompiler): Closure {
  const { start, end, isCostly } = op;
  const left = compiler.compile(op.left);
  const right = compiler.compile(op.right);
  const { numbers, any } = COMPARISONS[op.comparison];
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    if (isCostly) frame.cost += comparisonCost(a, b);
    if (typeof a !== "number" || typeof b !== "number" || Number.isNaN(a) || Number.isNaN(b)) return any(a, b, start, end);
    return numbers(a, b);
  };
}

export function compileArithmetic(op: ArithmeticOp, compiler: ClosureCompiler): Closure {
  const { start, end, isCostly, overloads } = op;
  const fn = `_${op.operator}_`;
  const left = compiler.compile(op.left);
  const right = compiler.compile(op.right);
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    if (isCostly) frame.cost += additionCost(a, b);
    return arithmetic(frame, fn, overloads, a, b, start, end);
  };
}

export function compileIn(op: InOp, compiler: ClosureCompiler): Closure {
  const { start, end, isCostly } = op;
  if (op.element.kind === "constant" && typeof op.element.value === "string" && op.container.kind !== "constant") {
    return compileKeyIn(op.element.value, op, compiler);
  }
  const element = compiler.compile(op.element);
  const container = compiler.compile(op.container);
  return (frame) => {
    const value = element(frame);
    const within = container(frame);
    if (isCostly) frame.cost += membershipCost(within);
    return isIn(value, within, start, end);
  };
}

const TEXT_TESTS: Readonly<Record<TextTest, (text: string, part: string) => boolean>> = {
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
  contains: (text, part) => text.includes(part),
};

export function compileText(op: TextOp, compiler: ClosureCompiler): Closure {
  const { start, end, test } = op;
  const text = compiler.compile(op.text);
  const part = compiler.compile(op.part);
  const holds = TEXT_TESTS[test];
  return (frame) => {
    const a = text(frame);
    const b = part(frame);
    if (typeof a !== "string" || typeof b !== "string") return textError(test, a, b, start, end);
    frame.cost += test === "contains" ? searchCost(a, b) : traversalCost(a);
    return holds(a, b);
  };
}

export function compileMatch(op: MatchOp, compiler: ClosureCompiler): Closure {
  const { start, end } = op;
  const text = compiler.compile(op.text);
  const pattern = compiler.compile(op.pattern);
  const constant = op.pattern.kind === "constant" && typeof op.pattern.value === "string" ? cachedRegex(op.pattern.value) : undefined;
  const regex = constant?.ok ? constant.value : undefined;
  return (frame) => {
    const a = text(frame);
    const b = pattern(frame);
    if (typeof a === "string" && typeof b === "string") frame.cost += matchCost(a, b);
    return regex !== undefined && typeof a === "string" ? regex.test(a) : matches(a, b, start, end);
  };
}

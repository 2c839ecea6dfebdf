/** `==`, `!=`, `<`, `<=`, `>` and `>=`. Numbers of different types are comparable, as in Kubernetes. */
import type { CallCost, FunctionDeclaration, Overload } from "../declaration.ts";
import { range, scaled, TRAVERSAL_FACTOR, UNBOUNDED } from "../library/cost.ts";
import { anything, bool, bytes, declare, double, duration, func, int, type Parameter, string, timestamp, uint } from "../library/define.ts";
import { comparisonCost } from "../runtime/cost.ts";
import { equals } from "../runtime/equality.ts";
import { isGreater, isGreaterOrEqual, isLess, isLessOrEqual } from "../runtime/ordering.ts";
import { BOOL } from "../type.ts";
import type { CelValue } from "../value.ts";

const operand = anything("A");

const comparison: CallCost = {
  actual: ([a = null, b = null]) => comparisonCost(a, b),
  estimate: ([a = UNBOUNDED, b = UNBOUNDED]) => ({
    cost: scaled(range(Math.min(1, a.max, b.max), Math.min(a.max, b.max)), TRAVERSAL_FACTOR),
  }),
};

const ORDERED: readonly (readonly [suffix: string, a: Parameter<CelValue>, b: Parameter<CelValue>, cost?: CallCost])[] = [
  ["bool", bool, bool],
  ["int64", int, int],
  ["int64_double", int, double],
  ["int64_uint64", int, uint],
  ["uint64", uint, uint],
  ["uint64_double", uint, double],
  ["uint64_int64", uint, int],
  ["double", double, double],
  ["double_int64", double, int],
  ["double_uint64", double, uint],
  ["string", string, string, comparison],
  ["bytes", bytes, bytes, comparison],
  ["timestamp", timestamp, timestamp],
  ["duration", duration, duration],
];

const ordered = (prefix: string, compare: (a: CelValue, b: CelValue) => CelValue): readonly Overload[] =>
  ORDERED.map(([suffix, a, b, cost]) => func(`${prefix}_${suffix}`, [a, b], BOOL, compare, cost));

export const comparisonFunctions: readonly FunctionDeclaration[] = [
  declare("_==_", "Whether two values are equal.", func("equals", [operand, operand], BOOL, equals, comparison)),
  declare(
    "_!=_",
    "Whether two values differ.",
    func("not_equals", [operand, operand], BOOL, (a, b) => !equals(a, b), comparison),
  ),
  declare("_<_", "Whether the first value comes before the second.", ...ordered("less", isLess)),
  declare("_<=_", "Whether the first value does not come after the second.", ...ordered("less_equals", isLessOrEqual)),
  declare("_>_", "Whether the first value comes after the second.", ...ordered("greater", isGreater)),
  declare("_>=_", "Whether the first value does not come before the second.", ...ordered("greater_equals", isGreaterOrEqual)),
];

import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { CelDouble, CelUint } from "../value.ts";
import { mathLibrary, roundHalfAway } from "./math.ts";

// The whole of the library is in the conformance suite; here is what that leaves out.
const evaluate = evaluatorOf({ libraries: [mathLibrary], variables: { numbers: { kind: "dyn" } } }, { numbers: [1, 5, 3] });

test.each([
  ["math.greatest(numbers)", 5],
  ["math.least(1, 2.5, 3u) == 1", true],
  ["math.greatest(0.0/0.0, 1.0)", "CEL_INVALID_ARGUMENT"],
  ["math.greatest(dyn([1, 'a']))", "CEL_NO_SUCH_OVERLOAD"],
  ["math.greatest([])", "CEL_MACRO_ARGUMENT"],
  ["math.sqrt(81)", new CelDouble(9)],
  ["math.sqrt(82u)", 9.055385138137417],
  ["math.sqrt(-15.5)", Number.NaN],
  ["math.abs(-9223372036854775807)", 9223372036854775807n],
  ["math.abs(-9223372036854775808)", "CEL_OVERFLOW"],
  ["math.sign(-0.0)", new CelDouble(0)],
  ["math.sign(5u)", new CelUint(1n)],
  ["math.bitAnd(4294967296, 12884901888)", 4294967296],
  ["math.bitOr(-9223372036854775808, 1)", -9223372036854775807n],
  ["math.bitXor(-1, 9223372036854775807)", -9223372036854775808n],
  ["math.bitNot(9223372036854775807)", -9223372036854775808n],
  ["math.bitShiftLeft(1, 63)", -9223372036854775808n],
  ["math.bitShiftRight(-1, 1)", 9223372036854775807n],
  ["math.bitShiftLeft(1, -1)", "CEL_INVALID_ARGUMENT"],
])("%s is %s", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([
  [0.49999999999999994, 0],
  [0.5, 1],
  [-0.5, -1],
  [2.5, 3],
  [-2.4, -2],
  [2 ** 53, 2 ** 53],
])("%d is rounded to %d", (value, rounded) => expect(roundHalfAway(value)).toBe(rounded));

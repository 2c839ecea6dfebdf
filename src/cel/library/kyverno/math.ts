import type { Library } from "../../declaration.ts";
import { asDouble, type Double, doubleOf } from "../../runtime/double.ts";
import type { Int } from "../../runtime/int64.ts";
import { DOUBLE } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, double, func, int } from "../define.ts";
import { roundHalfAway } from "../math.ts";

function roundTo(value: Double, digits: Int): CelValue {
  const shift = 10 ** Number(digits);
  return doubleOf(roundHalfAway(asDouble(value) * shift) / shift);
}

/** Kyverno's addition to the math extension. */
export const kyvernoMathLibrary: Library = {
  name: "kyverno.math",
  functions: [
    declare(
      "math.round",
      "The nearest whole double, or the nearest with some decimal digits, halves away from zero.",
      func("math_round_float_int", [double, int], DOUBLE, roundTo),
    ),
  ],
};

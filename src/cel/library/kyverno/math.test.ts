import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { CelDouble } from "../../value.ts";
import { mathLibrary } from "../math.ts";
import { kyvernoMathLibrary } from "./math.ts";

const evaluate = evaluatorOf({ libraries: [mathLibrary, kyvernoMathLibrary] });

test.each([
  ["math.round(2.34567, 3)", 2.346],
  ["math.round(3.0, 3)", new CelDouble(3)],
  ["math.round(-2.5, 0)", new CelDouble(-3)],
  ["math.round(1234.5, -2)", new CelDouble(1200)],
  ["math.round(2.5)", new CelDouble(3)],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { compileRegex } from "../../regex/regex.ts";
import { randomLibrary } from "./random.ts";

/** Numbers in [0, 1) from a seed, each time the same. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each(["[0-9a-z]{8}", "a|b|cd", "x*y+z?", "(ab){2,3}", "[^a-z]", ".{3}", "\\d+-\\pL", "(?i)kelvin", "日本|[😀-😎]", ""])(
  "a random text of `%s` is matched by it",
  (pattern) => {
    const regex = compileRegex(`^(?s:${pattern})$`);
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        // The seed restarts for each back end, which must agree.
        let numbers = randomOf(seed);
        const overloads = randomLibrary(() => numbers()).functions[0]?.overloads ?? [];
        const text = overloads[0]?.call(pattern);
        numbers = randomOf(seed);
        expect(overloads[0]?.call(pattern)).toBe(text);
        expect(regex.ok && regex.value.test(String(text))).toBe(true);
      }),
      { numRuns: 20 },
    );
  },
);

test.each([
  ["random()", "00000000"],
  ["random.random('[x-z]{3}')", "xxx"],
  ["random('(')", "CEL_INVALID_ARGUMENT"],
  ["random('(a{1000}){5}')", "CEL_INVALID_ARGUMENT"],
])("%s with zeros for random numbers is %j", (text, expected) => {
  const evaluate = evaluatorOf({ libraries: [randomLibrary(() => 0)] });
  expect(evaluate(text).result).toBe(expected);
});

test("random texts are never computed before run time", () => {
  const flags = randomLibrary(() => 0).functions.flatMap(({ overloads }) => overloads.map(({ isVolatile }) => isVolatile));
  expect(flags).toEqual([true, true, true, true]);
});

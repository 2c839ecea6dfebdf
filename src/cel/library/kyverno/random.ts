import type { FunctionDeclaration, Library } from "../../declaration.ts";
import { parsePattern } from "../../regex/pattern-parser.ts";
import { STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, fail, func, string, volatile } from "../define.ts";
import { randomText } from "./random-text.ts";

const DEFAULT_PATTERN = "[0-9a-z]{8}";

/** Kyverno's function for random texts; `random` gives numbers in [0, 1). */
export function randomLibrary(random: () => number): Library {
  const generate = (pattern: string): CelValue => {
    const parsed = parsePattern(pattern);
    if (!parsed.ok) return fail(`invalid regular expression: ${parsed.error.message}`);
    return randomText(parsed.value.pattern, random) ?? fail("the random text would be too long");
  };
  const named = (name: string, idSuffix: string): FunctionDeclaration =>
    declare(
      name,
      "A random text that a regular expression matches; eight digits and lower-case letters without one.",
      volatile(func(`random_string_${idSuffix}`, [string], STRING, generate)),
      volatile(func(`random_string_default_expr_${idSuffix}`, [], STRING, () => generate(DEFAULT_PATTERN))),
    );
  return { name: "kyverno.random", functions: [named("random", "non_prefixed"), named("random.random", "prefixed")] };
}

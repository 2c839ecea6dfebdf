import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { CelError } from "../../value.ts";
import { yamlLibrary } from "./yaml.ts";

test("yaml.parse gives what the parser gives, its errors too", () => {
  const parsed: Readonly<Record<string, CelError | { readonly a: number }>> = { "a: 1": { a: 1 } };
  const evaluate = evaluatorOf({ libraries: [yamlLibrary((text) => parsed[text] ?? new CelError("CEL_INVALID_ARGUMENT", "not YAML"))] });
  expect(evaluate("yaml.parse('a: 1').a").result).toBe(1);
  expect(evaluate("yaml.parse('a: [')").result).toBe("CEL_INVALID_ARGUMENT");
});

/** cel-go's tests of comprehensions over two variables. Their trees are compared in cel-parsing.test.ts; here their macros are on. */
import { expect, test } from "vitest";
import { type CheckedExpression, checkExpression } from "../../src/cel/checker.ts";
import { parseExpression } from "../../src/cel/parser.ts";
import { sourceText } from "../../src/cel/source-text.ts";
import { DYN } from "../../src/cel/type.ts";
import { unparse } from "../../src/cel/unparse.ts";
import { type Case, comprehensionCases } from "./cases.ts";
import { declarationsFor } from "./declarations.ts";

/** What cel-go's tests declare; the data does not say so. */
const variables = { m: DYN, x: DYN, y: DYN };

function check(given: Case, expression: string = given.expression): CheckedExpression | undefined {
  const declarations = declarationsFor(given).extend({ variables });
  const parsed = parseExpression(sourceText(expression), declarations);
  const checked = parsed.ok ? checkExpression(parsed.value, declarations) : parsed;
  return checked.ok ? checked.value : undefined;
}

// cel-go's TestTwoVarComprehensionsStaticErrors; of all others, one is only parsed by its test.
const isMistyped = ({ expression }: Case): boolean => expression.includes("i / 2.0 == 1.0");
const firstError = comprehensionCases.findIndex(({ expression }) => expression === "[].all(i, i, i < i)");
const lastError = comprehensionCases.findIndex(({ expression }) => expression.endsWith("transformMapEntry(k, v, []) == {}"));
const isError = (index: number): boolean => index >= firstError && index <= lastError;

test("the data holds cel-go's 22 static errors", () => {
  expect(comprehensionCases.filter((_, index) => isError(index))).toHaveLength(22);
});

test.each(comprehensionCases.filter((given, index) => !isError(index) && !isMistyped(given)))(
  "$id checks, and so does what unparse makes of it",
  (given) => {
    const checked = check(given);
    expect(checked).toBeDefined();
    const again = check(given, checked && unparse(checked.root));
    expect(again?.resultType).toEqual(checked?.resultType);
  },
);

test.each(comprehensionCases.filter((given, index) => isError(index) || isMistyped(given)))("$id is refused", (given) => {
  expect(check(given)).toBeUndefined();
});

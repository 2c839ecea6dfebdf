/** Types and references of the checker against cel-go's, for every expression of the public conformance data. */
import { describe, expect, test } from "vitest";
import { type CheckedExpression, checkExpression } from "../../src/cel/checker.ts";
import type { Declarations } from "../../src/cel/declarations.ts";
import { parseExpression } from "../../src/cel/parser.ts";
import { sourceText } from "../../src/cel/source-text.ts";
import { formatType } from "../../src/cel/type.ts";
import { type Case, checkingCases, conformanceCases, parsingCases, usesOptionalSyntax } from "./cases.ts";
import { formatTypes } from "./debug-string.ts";
import { checkerDeclarationsFor, declarationsFor } from "./declarations.ts";
import { expectConformance } from "./known-failures.ts";

function check({ expression }: Case, declarations: Declarations): CheckedExpression | undefined {
  const parsed = parseExpression(sourceText(expression), declarations);
  const checked = parsed.ok ? checkExpression(parsed.value, declarations) : parsed;
  return checked.ok ? checked.value : undefined;
}

/** `Any` is dyn here: both mean that nothing is known, and the checker treats them alike. */
const withoutAny = (text: string): string => text.replaceAll(/(~|\(|, |^)any\b/g, "$1dyn");

/** Macros over extension fields of protobuf, which have no place outside of protobuf. */
const isProtobufExtension = ({ id }: Case): boolean => id.startsWith("conformance/proto2_ext/");

function expectTypes(given: Case, checked: CheckedExpression | undefined): void {
  expect(checked && formatTypes(checked)).toBe(withoutAny(given.checkedAst ?? ""));
  expect(checked && formatType(checked.resultType)).toBe(withoutAny(given.type ?? ""));
}

const typed = conformanceCases.filter((given) => given.checkedAst !== undefined && !isProtobufExtension(given));

test("the data holds the types of 2,053 expressions without protobuf extensions", () => {
  expect(typed).toHaveLength(2053);
});

describe("conformance", () => {
  test.each(typed)("$id has cel-go's types", (given) => {
    expectTypes(given, check(given, declarationsFor(given)));
  });

  // The data was made without optional syntax and without some of the extensions; what has a value must check here.
  const untyped = conformanceCases.filter(
    ({ error, original }) => error !== undefined && original.value !== undefined && !original.disableCheck,
  );
  test.each(untyped.filter((given) => !isProtobufExtension(given)))("$id checks", (given) => {
    expectConformance(given.id, () => expect(check(given, declarationsFor(given))).toBeDefined());
  });
});

describe("parsing", () => {
  test.each(parsingCases.filter((given) => given.checkedAst !== undefined))("$id has cel-go's types", (given) => {
    expectTypes(given, check(given, declarationsFor(given)));
  });

  // cel-go's parser tests ran with a lower limit of depth, which cel-parsing.test.ts tests.
  const refused = parsingCases.filter(({ error }) => error !== undefined && !error.includes("recursion"));
  test.each(refused)("$id is refused", (given) => {
    expect(check(given, declarationsFor(given))).toBeUndefined();
  });
});

describe("checking", () => {
  // cel-go's tests switch comparisons across number types on and off without saying so in the data.
  const outcomes = (given: Case): readonly (CheckedExpression | undefined)[] =>
    [false, true].map((crossTypeComparisons) => check(given, checkerDeclarationsFor(given, { crossTypeComparisons })));

  test.each(checkingCases.filter((given) => given.checkedAst !== undefined))("$id has cel-go's types", (given) => {
    const [strict, crossing] = outcomes(given);
    const isStrict = strict !== undefined && formatTypes(strict) === withoutAny(given.checkedAst ?? "");
    expectTypes(given, isStrict ? strict : crossing);
  });

  const refused = checkingCases.filter((given) => given.error !== undefined && !usesOptionalSyntax(given));
  test.each(refused)("$id is refused", (given) => {
    expect(check(given, checkerDeclarationsFor(given, { crossTypeComparisons: false }))).toBeUndefined();
  });

  // cel-go's parser had optional syntax switched off for the data; these are the outcomes that its checker tests state.
  const refusedOptionals = new Set(["{?'key': 'hi'}", "[?'value']", "TestAllTypes{?single_int32: 1}"]);
  test.each(checkingCases.filter(usesOptionalSyntax))("$id is judged with optional syntax", (given) => {
    const isRefused = refusedOptionals.has(given.expression);
    expect(check(given, checkerDeclarationsFor(given)) === undefined).toBe(isRefused);
  });
});

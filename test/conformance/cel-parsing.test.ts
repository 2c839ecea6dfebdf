/** The trees of the parser against cel-go's, for every expression of the public conformance data. */
import { describe, expect, test } from "vitest";
import { STANDARD_MACROS } from "../../src/cel/macro.ts";
import { type ParsedExpression, parseExpression } from "../../src/cel/parser.ts";
import { sourceText } from "../../src/cel/source-text.ts";
import {
  type Case,
  checkingCases,
  comprehensionCases,
  conformanceCases,
  DATA_MAX_DEPTH,
  parsingCases,
  usesOptionalSyntax,
} from "./cases.ts";
import { formatKinds } from "./debug-string.ts";

const macros = new Set(STANDARD_MACROS);
const parse = ({ expression }: Case): ParsedExpression | undefined => {
  const parsed = parseExpression(sourceText(expression), { macros, maxDepth: DATA_MAX_DEPTH });
  return parsed.ok ? parsed.value : undefined;
};

describe.each([
  ["parsing", parsingCases, 194],
  ["checking", checkingCases, 135],
  ["comprehension", comprehensionCases, 92],
  ["conformance", conformanceCases, 2344],
] as const)("%s", (_name, cases, count) => {
  test("the data is complete", () => {
    expect(cases).toHaveLength(count);
  });

  test.each(cases.filter((given) => given.ast !== undefined))("$id has cel-go's tree", (given) => {
    const parsed = parse(given);
    expect(parsed && formatKinds(parsed.root)).toBe(given.ast);
  });

  const refused = cases.filter((given) => given.ast === undefined && !usesOptionalSyntax(given));
  if (refused.length > 0) {
    test.each(refused)("$id does not parse", (given) => {
      expect(parse(given)).toBeUndefined();
    });
  }
});

const withOptionals = [...parsingCases, ...checkingCases, ...comprehensionCases, ...conformanceCases].filter(usesOptionalSyntax);
/** These are wrong beyond the syntax that cel-go's parser had switched off. */
const isWrongAnyway = ({ error = "" }: Case): boolean => error.includes("Syntax error") || error.includes("invalid argument");

test.each(withOptionals.filter((given) => !isWrongAnyway(given)))(
  "$id parses: optional syntax and quoted fields are always on",
  (given) => {
    expect(parse(given)).toBeDefined();
  },
);

test.each(withOptionals.filter(isWrongAnyway))("$id does not parse even with optional syntax and quoted fields", (given) => {
  expect(parse(given)).toBeUndefined();
});

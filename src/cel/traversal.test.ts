import { expect, test } from "vitest";
import type { Expr } from "./ast.ts";
import { BINDING_MACROS, BLOCK_MACROS, OPTIONAL_MACROS, STANDARD_MACROS } from "./macro.ts";
import { parseExpression } from "./parser.ts";
import { sourceText } from "./source-text.ts";
import { childrenOf, walk } from "./traversal.ts";
import { unparse } from "./unparse.ts";

const macros = new Set([STANDARD_MACROS, OPTIONAL_MACROS, BINDING_MACROS, BLOCK_MACROS].flat());

function parse(text: string): Expr {
  const parsed = parseExpression(sourceText(text), { macros });
  if (!parsed.ok) throw new Error(parsed.error.map((error) => error.message).join());
  return parsed.value.root;
}

test.each([
  ["a", []],
  ["a.b", ["a"]],
  ["a.f(b, c)", ["a", "b", "c"]],
  ["f(b)", ["b"]],
  ["[a, ?b]", ["a", "b"]],
  ["{a: b, c: d}", ["a", "b", "c", "d"]],
  ["T{f: a}", ["a"]],
  ["a.map(x, b, c)", ["a", "b", "c"]],
  ["a.all(x, b)", ["a", "b"]],
  ["cel.bind(x, a, b)", ["a", "b"]],
  ["a.optMap(x, b)", ["a", "b"]],
  ["cel.block([a, b], c)", ["a", "b", "c"]],
])("%s is made of %j", (text, expected) => {
  expect(childrenOf(parse(text)).map(unparse)).toEqual(expected);
});

test("a walk visits everything once, parents first", () => {
  const visited: string[] = [];
  walk(parse("f(a.b, [c])"), (expr) => visited.push(unparse(expr)));
  expect(visited).toEqual(["f(a.b, [c])", "a.b", "a", "[c]", "c"]);
});

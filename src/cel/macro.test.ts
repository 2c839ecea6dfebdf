import { expect, test } from "vitest";
import type { Expr } from "./ast.ts";
import { BINDING_MACROS, BLOCK_MACROS, LIST_MACROS, MATH_MACROS, OPTIONAL_MACROS, STANDARD_MACROS, TWO_VARIABLE_MACROS } from "./macro.ts";
import { parseExpression } from "./parser.ts";
import { sourceText } from "./source-text.ts";

const every = new Set(
  [STANDARD_MACROS, TWO_VARIABLE_MACROS, OPTIONAL_MACROS, BINDING_MACROS, BLOCK_MACROS, MATH_MACROS, LIST_MACROS].flat(),
);

function parse(text: string, macros: ReadonlySet<string> = every): Expr | string {
  const parsed = parseExpression(sourceText(text), { macros });
  return parsed.ok ? parsed.value.root : parsed.error.map(({ code, column }) => `${code} ${column}`).join();
}

test.each([
  ["has(a.b)", { kind: "select", testOnly: true, field: "b" }],
  ["x.all(a, p)", { kind: "comprehension", macro: "all", var1: "a", var2: null, filter: null, body: { name: "p" } }],
  ["x.exists(a, p)", { macro: "exists" }],
  ["x.exists_one(a, p)", { macro: "existsOne", var2: null }],
  ["x.existsOne(a, p)", { macro: "existsOne", var2: null }],
  ["x.filter(a, p)", { macro: "filter", filter: null, body: { name: "p" } }],
  ["x.map(a, r)", { macro: "map", filter: null, body: { name: "r" } }],
  ["x.map(a, p, r)", { macro: "map", var2: null, filter: { name: "p" }, body: { name: "r" } }],
  ["x.all(a, b, p)", { macro: "all", var1: "a", var2: "b", filter: null, body: { name: "p" } }],
  ["x.exists(a, b, p)", { macro: "exists", var2: "b" }],
  ["x.existsOne(a, b, p)", { macro: "existsOne", var2: "b" }],
  ["x.exists_one(a, b, p)", { macro: "existsOne", var2: "b" }],
  ["x.transformList(a, b, r)", { macro: "transformList", filter: null, body: { name: "r" } }],
  ["x.transformList(a, b, p, r)", { macro: "transformList", filter: { name: "p" }, body: { name: "r" } }],
  ["x.transformMap(a, b, p, r)", { macro: "transformMap", filter: { name: "p" } }],
  ["x.transformMapEntry(a, b, {a: b})", { macro: "transformMapEntry", filter: null }],
  ["x.optMap(a, r)", { kind: "optMap", name: "a", flat: false }],
  ["x.optFlatMap(a, r)", { kind: "optMap", name: "a", flat: true }],
  ["cel.bind(a, v, r)", { kind: "bind", name: "a", value: { name: "v" }, body: { name: "r" } }],
  ["math.greatest(a)", { kind: "call", fn: "math.@max", target: null, args: [{ name: "a" }] }],
  ["math.least(a, b)", { kind: "call", fn: "math.@min", target: null, args: [{ name: "a" }, { name: "b" }] }],
  ["math.greatest(a, b, c)", { kind: "call", fn: "math.@max", args: [{ kind: "list", elements: [{}, {}, {}] }] }],
  [
    "x.sortBy(a, k)",
    { kind: "bind", value: { name: "x" }, body: { fn: "@sortByAssociatedKeys", args: [{ macro: "map", var1: "a", body: { name: "k" } }] } },
  ],
  ["cel.block([1, 2], cel.index(1))", { kind: "block", slots: [{ kind: "literal" }, { kind: "literal" }], result: { name: "@index1" } }],
  ["x.all(cel.iterVar(0, 1), p)", { macro: "all", var1: "@it:0:1" }],
  ["cel.accuVar(2, 3)", { kind: "ident", name: "@ac:2:3" }],
])("%s becomes a node of its own", (text, expected) => {
  expect(parse(text)).toMatchObject(expected);
});

test.each([
  ["has(a, b)"],
  ["a.has(b.c)"],
  ["all(x, a, p)"],
  ["x.all(p)"],
  ["x.map(a, b, c, d)"],
  ["bind(a, 1, a)"],
  ["other.bind(a, 1, a)"],
  ["x.y.bind(a, 1, a)"],
  ["greatest(1)"],
  ["x.math.least(1)"],
])("%s is an ordinary call", (text) => {
  expect(parse(text)).toMatchObject({ kind: "call" });
});

test.each([
  ["x.all(a, b, p)", STANDARD_MACROS],
  ["x.optMap(a, r)", STANDARD_MACROS],
  ["cel.bind(a, v, r)", STANDARD_MACROS],
  ["x.all(a, p)", TWO_VARIABLE_MACROS],
  ["has(a.b)", []],
])("%s is an ordinary call while the macro is off", (text, enabled) => {
  expect(parse(text, new Set(enabled))).toMatchObject({ kind: "call" });
});

test.each([
  ["has(a)", "CEL_MACRO_ARGUMENT 5"],
  ["has(a[0])", "CEL_MACRO_ARGUMENT 5"],
  ["has(a.?b)", "CEL_MACRO_ARGUMENT 5"],
  ["has(has(a.b))", "CEL_MACRO_ARGUMENT 9"],
  ["x.all(1, p)", "CEL_MACRO_ARGUMENT 7"],
  ["x.all(a.b, p)", "CEL_MACRO_ARGUMENT 7"],
  ["x.all(.a, p)", "CEL_MACRO_ARGUMENT 7"],
  ["x.all(a, a, p)", "CEL_MACRO_ARGUMENT 10"],
  ["x.all(1, 2, p)", "CEL_MACRO_ARGUMENT 7,CEL_MACRO_ARGUMENT 10"],
  ["x.map(__result__, 1)", "CEL_MACRO_ARGUMENT 7"],
  ["cel.bind(a.b, 1, 2)", "CEL_MACRO_ARGUMENT 10"],
  ["x.optMap('a', 1)", "CEL_MACRO_ARGUMENT 10"],
  ["math.greatest()", "CEL_MACRO_ARGUMENT 1"],
  ["math.least(1, 'a')", "CEL_MACRO_ARGUMENT 15"],
  ["math.least([a, 'a'])", "CEL_MACRO_ARGUMENT 16"],
  ["math.least([])", "CEL_MACRO_ARGUMENT 12"],
  ["x.sortBy(1, 2)", "CEL_MACRO_ARGUMENT 10"],
  ["cel.block(1, 2)", "CEL_MACRO_ARGUMENT 11"],
  ["cel.block([?a], 2)", "CEL_MACRO_ARGUMENT 11"],
  ["cel.index(-1)", "CEL_MACRO_ARGUMENT 11"],
  ["cel.iterVar(0, a)", "CEL_MACRO_ARGUMENT 16"],
])("%s is refused", (text, expected) => {
  expect(parse(text)).toBe(expected);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Expr, LiteralValue } from "./ast.ts";
import { BINDING_MACROS, BLOCK_MACROS, LIST_MACROS, MATH_MACROS, OPTIONAL_MACROS, STANDARD_MACROS, TWO_VARIABLE_MACROS } from "./macro.ts";
import { parseExpression } from "./parser.ts";
import { sourceText } from "./source-text.ts";
import { unparse } from "./unparse.ts";

const macros = new Set(
  [STANDARD_MACROS, TWO_VARIABLE_MACROS, OPTIONAL_MACROS, BINDING_MACROS, BLOCK_MACROS, MATH_MACROS, LIST_MACROS].flat(),
);

function parse(text: string): Expr {
  const parsed = parseExpression(sourceText(text), { macros });
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error.map((error) => error.message).join()}`);
  return parsed.value.root;
}

/** A tree without ids and positions, as text. */
const shapeOf = (expr: Expr): string =>
  JSON.stringify(expr, (key, value: unknown) => {
    if (key === "id" || key === "start" || key === "end" || key === "at") return undefined;
    if (typeof value === "bigint") return `${value}n`;
    return Object.is(value, -0) ? "-0" : value;
  });

test.each([
  ["(((a)))", "a"],
  ["(a+b)*c", "(a + b) * c"],
  ["a+(b*c)", "a + b * c"],
  ["a-(b-c)", "a - (b - c)"],
  ["(a-b)-c", "a - b - c"],
  ["a&&(b||c)", "a && (b || c)"],
  ["(a&&b)||c", "a && b || c"],
  ["(a&&b)&&c", "a && b && c"],
  ["a&&(b&&c)", "a && (b && c)"],
  ["(a&&b)&&(c&&d)", "a && b && c && d"],
  ["a<(b<c)", "a < (b < c)"],
  ["(a?b:c)?d:(e?f:g)", "(a ? b : c) ? d : e ? f : g"],
  ["a?(b?c:d):e", "a ? (b ? c : d) : e"],
  ["!(a.b)", "!a.b"],
  ["!(a&&b)", "!(a && b)"],
  ["!(!a)", "!(!a)"],
  ["-(-a)", "-(-a)"],
  ["-(5)", "-(5)"],
  ["-(5u)", "-(5u)"],
  ["-(5.f())", "-(5.f())"],
  ["!(-5)", "!-5"],
  ["(a+b).c", "(a + b).c"],
  ["(-a).b()", "(-a).b()"],
  ["(a ? b : c)[0]", "(a ? b : c)[0]"],
  ["a . ?b [ ? c ] . `d-e` . `in`", "a.?b[?c].`d-e`.`in`"],
  ["has( a . b )", "has(a.b)"],
  ["[ 1 , ?a ]", "[1, ?a]"],
  ["{ 'a' : 1 , ?b : 2 }", '{"a": 1, ?b: 2}'],
  ["a.B{ c : 1 , ?`d-e` : f }", "a.B{c: 1, ?`d-e`: f}"],
  ["x.map(a, a > 1, a * 2)", "x.map(a, a > 1, a * 2)"],
  ["(x + y).existsOne(a, true)", "(x + y).exists_one(a, true)"],
  ["x.existsOne(a, b, true)", "x.existsOne(a, b, true)"],
  ["math.greatest(1, 2) + math.least(a, b, c)", "math.greatest(1, 2) + math.least([a, b, c])"],
  ["(x + y).sortBy(e, e.z.sortBy(f, f))", "(x + y).sortBy(e, e.z.sortBy(f, f))"],
  ["cel.bind(a, 1, a + 1)", "cel.bind(a, 1, a + 1)"],
  ["x.?y.optFlatMap(z, z.?a)", "x.?y.optFlatMap(z, z.?a)"],
  ["cel.block([1], cel.index(0) + cel.iterVar(1, 2))", "cel.block([1], cel.index(0) + cel.iterVar(1, 2))"],
  ["1.0 + 1e300 - -0.0", "1.0 + 1e+300 - -0.0"],
  ["0xFF + 0x10u", "255 + 16u"],
  ["'\\u0000\\n\\\\\"é'", '"\\u0000\\n\\\\\\"é"'],
  ["b'a\\xff\\x00\"'", 'b"a\\xff\\x00\\""'],
])("%s is written as %s", (text, expected) => {
  const expr = parse(text);
  expect(unparse(expr)).toBe(expected);
  expect(shapeOf(parse(expected))).toBe(shapeOf(expr));
});

test("doubles without a literal are written as conversions", () => {
  const literal = (value: number): Expr => ({ kind: "literal", id: 0, start: 0, end: 0, value: { type: "double", value } });
  expect([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map((value) => unparse(literal(value)))).toEqual([
    'double("Infinity")',
    'double("-Infinity")',
    'double("NaN")',
  ]);
});

const node = { id: fc.constant(0), start: fc.constant(0), end: fc.constant(0) };
const name = fc.constantFrom("a", "b", "object", "x1");
const field = fc.constantFrom("c", "spec", "while", "in", "d-e", "f.g/h i");
const literal: fc.Arbitrary<LiteralValue> = fc.oneof(
  fc.record({ type: fc.constant("null" as const) }),
  fc.record({ type: fc.constant("bool" as const), value: fc.boolean() }),
  fc.record({ type: fc.constant("int" as const), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
  fc.record({ type: fc.constant("uint" as const), value: fc.bigInt(0n, 2n ** 64n - 1n) }),
  fc.record({ type: fc.constant("double" as const), value: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
  fc.record({ type: fc.constant("string" as const), value: fc.string({ unit: "binary" }) }),
  fc.record({ type: fc.constant("bytes" as const), value: fc.uint8Array() }),
);
const binary = fc.constantFrom(
  "_||_",
  "_&&_",
  "_<_",
  "_<=_",
  "_>_",
  "_>=_",
  "_==_",
  "_!=_",
  "@in",
  "_+_",
  "_-_",
  "_*_",
  "_/_",
  "_%_",
  "_[_]",
  "_[?_]",
);

/** Trees as the parser makes them: `!` and `-` are not doubled, which the parser would fold. */
const { expr: anyExpr } = fc.letrec<{ expr: Expr }>((tie) => {
  const expr = tie("expr");
  const call = { ...node, kind: fc.constant("call" as const), at: fc.constant(0) };
  return {
    expr: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.record({ ...node, kind: fc.constant("ident" as const), name }),
      fc.record({ ...node, kind: fc.constant("literal" as const), value: literal }),
      fc.record({ ...call, fn: binary, target: fc.constant(null), args: fc.tuple(expr, expr) }),
      fc.record({ ...call, fn: fc.constantFrom("!_", "-_"), target: fc.constant(null), args: fc.tuple(expr) }),
      fc.record({ ...call, fn: fc.constant("_?_:_"), target: fc.constant(null), args: fc.tuple(expr, expr, expr) }),
      fc.record({ ...call, fn: fc.constantFrom("f", "size"), target: fc.option(expr), args: fc.array(expr, { maxLength: 2 }) }),
      fc.oneof(
        fc.record({
          ...node,
          kind: fc.constant("select" as const),
          at: fc.constant(0),
          operand: expr,
          field,
          testOnly: fc.constant(false),
          optional: fc.boolean(),
        }),
        fc.record({
          ...node,
          kind: fc.constant("select" as const),
          at: fc.constant(0),
          operand: expr,
          field,
          testOnly: fc.constant(true),
          optional: fc.constant(false),
        }),
      ),
      fc.record({
        ...node,
        kind: fc.constant("list" as const),
        elements: fc.array(fc.record({ value: expr, optional: fc.boolean() }), { maxLength: 3 }),
      }),
      fc.record({
        ...node,
        kind: fc.constant("map" as const),
        entries: fc.array(fc.record({ key: expr, value: expr, optional: fc.boolean() }), { maxLength: 2 }),
      }),
      fc.record({
        ...node,
        kind: fc.constant("struct" as const),
        typeName: fc.constantFrom("T", "a.b.C", ".d.E"),
        fields: fc.array(fc.record({ name: field, value: expr, optional: fc.boolean(), start: fc.constant(0), end: fc.constant(0) }), {
          maxLength: 2,
        }),
      }),
      fc.record({
        ...node,
        kind: fc.constant("comprehension" as const),
        macro: fc.constantFrom("all" as const, "exists" as const, "existsOne" as const, "filter" as const),
        range: expr,
        var1: fc.constantFrom("v", "@it:0:1"),
        var2: fc.constant(null),
        filter: fc.constant(null),
        body: expr,
      }),
      fc.record({
        ...node,
        kind: fc.constant("comprehension" as const),
        macro: fc.constantFrom("transformList" as const, "transformMap" as const, "transformMapEntry" as const),
        range: expr,
        var1: fc.constant("k"),
        var2: fc.constant("v"),
        filter: fc.option(expr),
        body: expr,
      }),
      fc.record({ ...node, kind: fc.constant("bind" as const), name, value: expr, body: expr }),
      fc.record({ ...node, kind: fc.constant("optMap" as const), target: expr, name, body: expr, flat: fc.boolean() }),
      fc.record({ ...node, kind: fc.constant("block" as const), slots: fc.array(expr, { maxLength: 2 }), result: expr }),
    ),
  };
});

test("parsing what unparse writes gives the same tree again", () => {
  fc.assert(
    fc.property(anyExpr, (expr) => {
      expect(shapeOf(parse(unparse(expr)))).toBe(shapeOf(expr));
    }),
    { numRuns: 3000 },
  );
});

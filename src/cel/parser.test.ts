import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Expr } from "./ast.ts";
import { BINDING_MACROS, BLOCK_MACROS, OPTIONAL_MACROS, STANDARD_MACROS, TWO_VARIABLE_MACROS } from "./macro.ts";
import { type ParsedExpression, parseExpression } from "./parser.ts";
import { sourceText } from "./source-text.ts";
import { walk } from "./traversal.ts";

const macros = new Set([STANDARD_MACROS, TWO_VARIABLE_MACROS, OPTIONAL_MACROS, BINDING_MACROS, BLOCK_MACROS].flat());

function parse(text: string): ParsedExpression {
  const parsed = parseExpression(sourceText(text), { macros });
  if (!parsed.ok) throw new Error(parsed.error.map((error) => error.message).join());
  return parsed.value;
}

function errorsOf(text: string): readonly Diagnostic[] {
  const parsed = parseExpression(sourceText(text), { macros });
  return parsed.ok ? [] : parsed.error;
}

/** The tree with every call in brackets. */
function shape(expr: Expr): string {
  if (expr.kind === "ident") return expr.name;
  if (expr.kind === "literal") return "value" in expr.value ? String(expr.value.value) : "null";
  if (expr.kind === "select") return `(${shape(expr.operand)}${expr.optional ? ".?" : "."}${expr.field})`;
  if (expr.kind === "call")
    return `(${[expr.fn, ...(expr.target === null ? [] : [expr.target]), ...expr.args].map((part) => (typeof part === "string" ? part : shape(part))).join(" ")})`;
  return expr.kind;
}

describe("precedence", () => {
  test.each([
    ["1 + 2 * 3", "(_+_ 1 (_*_ 2 3))"],
    ["1 - 2 - 3", "(_-_ (_-_ 1 2) 3)"],
    ["a < b == c", "(_==_ (_<_ a b) c)"],
    ["a == b < c", "(_<_ (_==_ a b) c)"],
    ["a in b == c", "(_==_ (@in a b) c)"],
    ["a || b && c", "(_||_ a (_&&_ b c))"],
    ["a && b && c && d && e", "(_&&_ (_&&_ (_&&_ a b) c) (_&&_ d e))"],
    ["a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"],
    ["a || b ? c || d : e", "(_?_:_ (_||_ a b) (_||_ c d) e)"],
    ["-a.b", "(-_ (a.b))"],
    ["--a", "a"],
    ["!!!a", "(!_ a)"],
    ["-1.abs()", "(abs -1)"],
    ["a - -1", "(_-_ a -1)"],
    ["a-1", "(_-_ a 1)"],
    ["!-1", "(!_ -1)"],
    ["- (1)", "(-_ 1)"],
    ["a.?b[?c].d", "((_[?_] (a.?b) c).d)"],
    [".a.b(.c(1))", "(b .a (.c 1))"],
    ["(a)", "a"],
  ])("%s is %s", (text, expected) => {
    expect(shape(parse(text).root)).toBe(expected);
  });
});

describe("positions", () => {
  test.each([
    ["(a + b) * c", 0, 11],
    [" a.b ", 1, 4],
    ["f(x)", 0, 4],
    ["a ? b : c", 0, 9],
    ["T{a: 1}", 0, 7],
    ["-1", 0, 2],
    ["has(a.b)", 4, 7],
    ["x.all(y, y)", 0, 11],
  ])("%j spans %d to %d", (text, start, end) => {
    expect(parse(text).root).toMatchObject({ start, end });
  });

  test.each([
    ["aa + b", 3],
    ["aa.bb", 3],
    ["aa.bb(1)", 3],
    ["aa[1]", 2],
    ["aa ? b : c", 3],
    ["!a", 0],
    ["aa && b && c", 8],
    ["fn(1)", 0],
  ])("the name of %j stands at %d", (text, at) => {
    expect(parse(text).root).toMatchObject({ at });
  });

  test("ids are unique and below the node count", () => {
    const { root, nodeCount } = parse("[1, {a: b.c}, T{f: -x}].map(i, i + 1, has(i.j) ? f(i) : i[?0].orValue(2)).all(k, v, k == v)");
    const seen = new Set<number>();
    walk(root, ({ id }) => {
      expect(seen.has(id)).toBe(false);
      seen.add(id);
    });
    expect(Math.max(...seen)).toBeLessThan(nodeCount);
  });
});

test("lists, maps and structs keep what is optional", () => {
  expect(parse("[a, ?b,]").root).toMatchObject({ kind: "list", elements: [{ optional: false }, { optional: true }] });
  expect(parse("{a: 1, ?b: 2,}").root).toMatchObject({ kind: "map", entries: [{ optional: false }, { optional: true }] });
  const struct = parse("a.b.C{x: 1, ?`y-z`: 2}").root;
  expect(struct).toMatchObject({
    kind: "struct",
    typeName: "a.b.C",
    fields: [
      { name: "x", optional: false },
      { name: "y-z", optional: true, start: 12, end: 18 },
    ],
  });
  expect(parse(".T{}").root).toMatchObject({ kind: "struct", typeName: ".T" });
  expect([parse("[,]").root.kind, parse("{,}").root.kind, parse("T{,}").root.kind]).toEqual(["list", "map", "struct"]);
});

test("fields may have reserved and quoted names", () => {
  expect(parse("a.while.`in`.`b.c/d`").root).toMatchObject({ field: "b.c/d", operand: { field: "in", operand: { field: "while" } } });
});

describe("refusals", () => {
  test.each([
    ["", 1, "expected an expression, got the end of the expression", undefined],
    ["a b", 3, "expected the end of the expression, got `b`", undefined],
    ["a and b", 3, "expected the end of the expression, got `and`", "did you mean `&&`?"],
    ["f(1, 2", 7, "expected `)` or `,`, got the end of the expression", "`(` at 1:2 is not closed"],
    ["[1 2]", 4, "expected `]` or `,`, got `2`", "`[` at 1:1 is not closed"],
    ["{1 2}", 4, "expected `:`, got `2`", undefined],
    ["{{ a }}", 6, "expected `:`, got `}`", "CEL has no `{{…}}`: write the expression itself"],
    ["a ? b", 6, "expected `:`, got the end of the expression", undefined],
    ["a.in", 3, "expected a field name, got `in`", '`["in"]`'],
    ["a.`b`()", 6, "expected the end of the expression, got `(`", undefined],
    ["a.?b()", 5, "expected the end of the expression, got `(`", undefined],
    ["while + 1", 1, "reserved word `while` used as a name", undefined],
    ["f(a){}", 5, "expected the end of the expression, got `{`", undefined],
    ["(a){}", 4, "expected the end of the expression, got `{`", undefined],
    ["a +\n\n", 4, "expected an expression, got the end of the expression", undefined],
  ])("%j at column %d: %s", (text, column, message, hint) => {
    const errors = errorsOf(text);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code: "CEL_SYNTAX", column, message });
    if (hint === undefined) expect(errors[0]).not.toHaveProperty("hint");
    else expect(errors[0]?.hint).toContain(hint);
  });

  test("literals and macro arguments that are wrong are all reported", () => {
    const errors = errorsOf("99999999999999999999 + size('\\q') + has(a)");
    expect(errors.map(({ code, column }) => [code, column])).toEqual([
      ["CEL_LITERAL", 1],
      ["CEL_LITERAL", 30],
      ["CEL_MACRO_ARGUMENT", 41],
    ]);
  });

  test("a position on a later line is told by line and column", () => {
    expect(errorsOf("a &&\n  b c")).toMatchObject([{ line: 2, column: 5, length: 1, sourceLine: "  b c" }]);
  });
});

describe("limits", () => {
  const tooLarge = (text: string): boolean => errorsOf(text).some((error) => error.code === "CEL_TOO_LARGE");

  test.each([
    ["brackets", (depth: number) => `${"(".repeat(depth)}1${")".repeat(depth)}`],
    ["lists", (depth: number) => `${"[".repeat(depth)}1${"]".repeat(depth)}`],
    ["calls", (depth: number) => `${"f(".repeat(depth)}1${")".repeat(depth)}`],
    ["selections", (depth: number) => `a${".b".repeat(depth)}`],
    ["indexes", (depth: number) => `a${"[0]".repeat(depth)}`],
    ["sums", (depth: number) => `1${" + 1".repeat(depth)}`],
    ["relations", (depth: number) => `1${" < 1".repeat(depth)}`],
    ["branches", (depth: number) => `${"a ? b : ".repeat(depth)}c`],
    ["macros", (depth: number) => `${"x.all(x, ".repeat(depth)}x${")".repeat(depth)}`],
  ])("%s may nest 249 levels, not 250", (_name, nest) => {
    expect(tooLarge(nest(249))).toBe(false);
    expect(tooLarge(nest(250))).toBe(true);
    expect(tooLarge(nest(20_000 / nest(1).length))).toBe(true);
  });

  test("signs may repeat, and chains of && and || may be long", () => {
    expect(tooLarge(`${"!".repeat(50_000)}a`)).toBe(false);
    expect(tooLarge(`a${" && a".repeat(10_000)}`)).toBe(false);
    expect(tooLarge(`a${"||a".repeat(10_000)}`)).toBe(false);
  });

  test("text is at most 64 KiB long", () => {
    expect(tooLarge(" ".repeat(65_535) + 1)).toBe(false);
    expect(tooLarge(" ".repeat(65_536) + 1)).toBe(true);
  });
});

// Pieces that are likely to form something that looks like CEL.
const pieces =
  "a b x object .b .?c ( ) [ ] [? { } {? , : ? + - * / % < <= == != in && || ! 1 2u 1.5 'a' \"b\" '''c''' b'd' true null `e` . has( .all( .map( x, .optMap( cel.bind( cel.block( T{ // \n = & | ' \" \\ $ 0x 1e 😁 while".split(
    " ",
  );
const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join(" "));
const gluedSoup = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join(""));

test("any soup of tokens gives a tree or at least one error, inside of the text", () => {
  fc.assert(
    fc.property(fc.oneof(soup, gluedSoup, fc.string({ unit: "binary" })), (text) => {
      const parsed = parseExpression(sourceText(text), { macros });
      if (parsed.ok) return parsed.value.root.start >= 0 && parsed.value.root.end <= text.length;
      return parsed.error.length > 0 && parsed.error.every(({ line, column, length }) => line >= 1 && column >= 1 && length >= 1);
    }),
    { numRuns: 2000 },
  );
});

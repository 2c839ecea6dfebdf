import { expect, test } from "vitest";
import { checkExpression } from "../checker.ts";
import { Declarations } from "../declarations.ts";
import { bindingsLibrary, comprehensionsLibrary } from "../library/bindings.ts";
import { kubernetesLibraries } from "../library/catalogue.ts";
import { optionalsLibrary } from "../library/optionals.ts";
import { parseExpression } from "../parser.ts";
import { sourceText } from "../source-text.ts";
import { standardLibrary } from "../standard/library.ts";
import { BOOL, BYTES, DYN, INT, listType, mapType, optionalType, STRING, TIMESTAMP } from "../type.ts";
import { type CostEstimate, type EstimateOptions, estimateCost } from "./estimate.ts";
import { sizeInRequest } from "./request-size.ts";

const scope = new Declarations({
  libraries: [standardLibrary, ...kubernetesLibraries, optionalsLibrary, bindingsLibrary, comprehensionsLibrary],
  variables: {
    ...{ s: STRING, t: STRING, by: BYTES, i: INT, b: BOOL, ts: TIMESTAMP, o: optionalType(STRING), x: DYN },
    ...{ l: listType(STRING), li: listType(INT), ll: listType(listType(STRING)), free: listType(STRING) },
    ...{ m: mapType(STRING, STRING), mm: mapType(STRING, mapType(STRING, INT)) },
  },
});

const SIZES: Readonly<Record<string, number>> = {
  ...{ s: 500, t: 20, x: 100, "x.f": 30, l: 10, "l.@items": 64, li: 50, ll: 7, "ll.@items": 9, "ll.@items.@items": 33 },
  ...{ m: 12, "m.@keys": 8, "m.@values": 16, mm: 5, "mm.@values": 6, "mm.@values.@keys": 40 },
};

function estimate(text: string, options: EstimateOptions = {}): CostEstimate {
  const parsed = parseExpression(sourceText(text), { macros: scope.macros });
  if (!parsed.ok) throw new Error(parsed.error[0]?.message);
  const checked = checkExpression(parsed.value, scope);
  if (!checked.ok) throw new Error(checked.error[0]?.message);
  const sizes = (path: readonly string[]): { min: number; max: number } | undefined => {
    const max = SIZES[path.join(".")];
    return max === undefined ? undefined : { min: 0, max };
  };
  return estimateCost(checked.value, { sizes, ...options });
}

/** The numbers are what cel-go and Kubernetes' estimator answer for the same expressions, variables and sizes. */
test.each([
  ["s + t", 2, 54],
  ["s == t", 3, 4],
  ["s < t", 3, 4],
  ["s.contains(t)", 2, 102],
  ["s.startsWith(t)", 2, 4],
  ["s.matches('a+b')", 2, 52],
  ["s.matches(t)", 2, 257],
  ["bytes(s)", 1, 51],
  ["string(by) == string(by)", 3, Infinity],
  ["s.size()", 2, 2],
  ["l[0] == s", 4, 10],
  ["ll[0][1].contains(t)", 4, 12],
  ["m['a'].contains(s)", 3, 103],
  ["m.a.contains(s)", 3, Infinity],
  ["i in li", 2, 52],
  ["s in m", 3, 3],
  ["s in [s, t]", 15, 15],
  ["b || b && b", 1, 3],
  ["(b ? s : t).contains(s)", 3, 2503],
  ["l.all(z, z == s)", 2, 122],
  ["l.exists(z, z.startsWith(s))", 2, 562],
  ["l.exists_one(z, z.startsWith(s))", 3, 543],
  ["l.filter(z, z.startsWith(s)).all(w, w.contains(s))", 13, 4213],
  ["l.map(z, z + s).all(w, w.contains(s))", 13, 29273],
  ["l.map(z, z == t, z + s)", 12, 762],
  ["ll.all(z, z.all(w, w == s))", 2, 604],
  ["ll.map(z, z.map(w, w + t))", 12, 1440],
  ["m.all(k, m[k].contains(k))", 2, 110],
  ["m.filter(k, k.startsWith(s)).all(z, z.contains(s))", 13, 1453],
  ["mm.all(k, mm[k].all(q, q.contains(s)))", 2, 6187],
  ["m.all(k, v, v.contains(k))", 2, 86],
  ["l.existsOne(k, v, v == s)", 3, 113],
  ["l.transformList(k, v, k > 1, v + s)", 12, 742],
  ["m.transformMap(k, v, k == s, v + s)", 32, 752],
  ["m.transformMapEntry(k, v, {v: k})", 32, 440],
  ["cel.bind(q, s + t, q.contains(q))", 14, 2770],
  ["cel.bind(q, [s, t], q.all(z, z.contains(z)))", 30, 5034],
  ["x.f == s", 3, 5],
  ["dyn(l).all(z, z == s)", 3, 553],
  ["o.orValue(s)", 3, 3],
  ["m.?a.orValue(t)", 4, 4],
  ["m[?s]", 3, 3],
  ["o.optFlatMap(q, optional.of(q))", 3, 16],
  ["{s: t}.all(k, k.contains(s))", 36, 2538],
  ["[].all(z, true)", 11, 11],
  ["ts == ts", 3, 3],
  ["[1, 2, 3].map(j, j * 2).filter(j, j > 2)", 83, 119],
  ["(b ? l.map(z, z) : l.filter(z, b)).all(w, w.contains(s))", 14, 3704],
  ["s.replace('abc', 'b').contains(s)", 2, 2602],
  ["s.split(',')", 1, 101],
  ["l.join(',').contains(s)", 2, 3317],
  ["l.isSorted()", 1, 81],
  ["li.sum()", 1, 51],
  ["l.min() == s", 3, 132],
  ["quantity(s) == quantity(t)", 3, 55],
  ["has(mm.a.b)", 2, 2],
])("%s costs %d to %d", (text, min, max) => {
  expect(estimate(text).cost).toEqual({ min, max });
});

test("has() costs one more where the caller says so", () => {
  expect(estimate("has(mm.a.b)", { presenceTestCost: 1 }).cost).toEqual({ min: 3, max: 3 });
});

test("a type is compared at the cost of a number", () => {
  expect(estimate("type(i) == int").cost).toEqual({ min: 4, max: 4 });
});

test("the dominating path leads to the expression that causes most of the cost", () => {
  const text = "s == t && ll.all(z, z.all(w, w.contains(s))) && b";
  const { cost, dominating } = estimate(text);
  const shown = dominating.map(({ expr, max }) => [text.slice(expr.start, expr.end), max]);
  expect(shown).toEqual([
    [text, cost.max],
    [expect.stringContaining("ll.all"), expect.any(Number)],
    ["ll.all(z, z.all(w, w.contains(s)))", expect.any(Number)],
    ["z.all(w, w.contains(s))", expect.any(Number)],
    ["w.contains(s)", 7 * 9 * 202],
  ]);
});

test("an unbounded cost is traced to the list that has no limit", () => {
  const { cost, dominating } = estimate("b && free.all(z, z == s)");
  expect(cost.max).toBe(Infinity);
  expect(dominating.map(({ expr }) => expr.kind)).toEqual(["call", "comprehension", "call"]);
});

test("what comes in a request is bounded by the size of the request", () => {
  expect(sizeInRequest(STRING)).toEqual({ min: 0, max: 3_145_726 });
  expect(sizeInRequest(listType(STRING))).toEqual({ min: 0, max: 1_048_575 });
  expect(sizeInRequest(mapType(STRING, BOOL))).toEqual({ min: 0, max: 314_572 });
  expect(sizeInRequest(INT)).toBeUndefined();
  const { cost } = estimate("free.all(z, z == 'x')", { sizes: (_, type) => sizeInRequest(type) });
  expect(cost.max).toBe(2 + 1_048_575 * 5);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createEnvironment, type Environment } from "../environment.ts";
import { createFrame } from "../frame.ts";
import { extensionLibraries } from "../library/catalogue.ts";
import { func, volatile } from "../library/define.ts";
import type { LazyScope, Program } from "../program.ts";
import { equals } from "../runtime/equality.ts";
import { BOOL, DYN, INT, listType, mapType, STRING } from "../type.ts";
import { unparse } from "../unparse.ts";
import { CelError, CelOptional, type CelValue } from "../value.ts";
import { type PartialResult, partialEvaluate } from "./partial-evaluate.ts";

const environment = createEnvironment({
  libraries: [...extensionLibraries, { name: "clock", functions: [{ name: "now", overloads: [volatile(func("now", [], INT, () => 7))] }] }],
  variables: {
    ...{ a: INT, b: INT, p: BOOL, q: BOOL, s: STRING, t: STRING, x: DYN, variables: DYN },
    ...{ l: listType(INT), ul: listType(INT), m: mapType(STRING, INT), um: mapType(STRING, INT), r: mapType(STRING, DYN) },
  },
});

function compile(text: string, scope: Environment = environment, lazy?: LazyScope): Program {
  const program = scope.compile(text, lazy === undefined ? { backend: "closure" } : { backend: "closure", lazy });
  if (!program.ok) throw new Error(`${text}: ${program.error[0]?.message}`);
  return program.value;
}

const VALUES: Readonly<Record<string, CelValue>> = {
  ...{ a: 3, b: 2, p: true, q: false, s: "hello", t: "ell", x: true, l: [1, 2, 3], ul: [2, 4] },
  ...{ m: { k: 1, j: 2 }, um: { k: 5 }, r: { k: 5, n: { z: 1 }, u: { v: 9 } } },
};
const UNKNOWN = ["b", "q", "t", "ul", "um", "x", "r.u"];
const only = (names: readonly string[]): Record<string, CelValue> =>
  Object.fromEntries(Object.entries(VALUES).filter(([name]) => names.includes(name)));
const KNOWN = { ...only(["a", "p", "s", "l", "m"]), r: { k: 5, n: { z: 1 } } };

/** The residual as text, or `= ` and the value, or the code of the error. */
function shown(result: PartialResult): string {
  if (result.kind === "residual") return unparse(result.expression.root);
  return result.value instanceof CelError ? result.value.code : `= ${JSON.stringify(result.value)}`;
}

const isSame = (a: CelValue, b: CelValue): boolean => {
  if (a instanceof CelError || b instanceof CelError) return a instanceof CelError && b instanceof CelError;
  if (a instanceof CelOptional || b instanceof CelOptional) return equals(a, b);
  return equals(a, b) || (Number.isNaN(a) && Number.isNaN(b));
};

/** What the residual evaluates to, which is the same in both back ends. */
function run({ expression }: PartialResult & { kind: "residual" }, bindings: Readonly<Record<string, CelValue>>): CelValue {
  const [value = null, other = null] = (["closure", "source"] as const).map((backend) =>
    environment.link(expression, { backend }).run(createFrame(bindings)),
  );
  expect(isSame(value, other)).toBe(true);
  return value;
}

describe("what is left of an expression", () => {
  test.each([
    ["a + 1", "= 4"],
    ["a + b", "3 + b"],
    ["p && q", "q"],
    ["!p && q", "= false"],
    ["q || p", "= true"],
    ["x && p", "x && true"],
    ["1 / 0 > 0 && q", "q && @error()"],
    ["1 / 0 > 0 && q && !p", "= false"],
    ["1 / 0 + b", "CEL_DIVIDE_BY_ZERO"],
    ["p ? b : a", "b"],
    ["q ? a : b + a", "q ? 3 : b + 3"],
    ["l.all(e, e < b && e > 0)", "1 < b && 2 < b && 3 < b"],
    ["l.all(e, e > 1 && e < b)", "= false"],
    ["l.exists(e, e == b || e == a)", "= true"],
    ["l.exists(e, e == b)", "1 == b || 2 == b || 3 == b"],
    ["l.exists_one(e, e == 2 && q)", "q"],
    ["l.exists_one(e, e == b)", "[1, 2, 3].exists_one(e, e == b)"],
    ["l.map(e, e + b)", "[1 + b, 2 + b, 3 + b]"],
    ["l.map(e, e > 1, e + b)", "[2 + b, 3 + b]"],
    ["l.filter(e, e > b || e == 1)", "[1] + (2 > b ? [2] : []) + (3 > b ? [3] : [])"],
    ["m.transformMap(k, v, v > 1, v + b)", '{"j": 2 + b}'],
    ["ul.all(e, e > a)", "ul.all(e, e > 3)"],
    ["ul.exists(f, l.exists(e, e == f && e > 2))", "ul.exists(f, 3 == f)"],
    ["cel.bind(z, a + 1, z + b)", "4 + b"],
    ["cel.bind(z, b + 1, z + a)", "cel.bind(z, b + 1, z + 3)"],
    ["cel.bind(z, b / 0, a)", "= 3"],
    ["r.k + b", "5 + b"],
    ["r.u.v == a", "r.u.v == 3"],
    ["r[s] == 1", 'r["hello"] == 1'],
    ["has(r.k) && has(r.u)", "has(r.u)"],
    ["optional.none().orValue(b)", "b"],
    ["r.?k.orValue(b)", "= 5"],
    ["um.?k.orValue(a)", "um.?k.orValue(3)"],
    ["[?m.?k, ?m.?z, ?um.?k]", "[1, ?um.?k]"],
    ["{?'a': m.?k, ?'b': m.?z, 'c': b}", '{"a": 1, "c": b}'],
    ["timestamp('2020-01-01T00:00:00Z') == x", "@constant0 == x"],
    ["math.greatest(a, b)", "math.greatest(3, b)"],
    ["s.contains(t) || s.startsWith('he') && q", '"hello".contains(t) || q'],
    ["now() + a", "now() + 3"],
    ["cel.block([a + 1, b, cel.index(0) + cel.index(1)], cel.index(2))", "cel.block([null, b, 4 + cel.index(1)], cel.index(2))"],
  ])("%s is %s", (text, expected) => {
    const scope = text.includes("cel.block")
      ? environment.extend({ libraries: [{ name: "block", functions: [], macros: ["block", "index"] }] })
      : environment;
    expect(shown(partialEvaluate(compile(text, scope).checked, { known: KNOWN, unknown: UNKNOWN }))).toBe(expected);
  });

  test("a loop over many elements stays a loop", () => {
    const elements = Array.from({ length: 20_000 }, (_, index) => index);
    const result = partialEvaluate(compile("l.all(e, e < b)").checked, { known: { l: elements }, unknown: ["b"] });
    expect(shown(result)).toBe("@constant0.all(e, e < b)");
  });

  test("what is known is evaluated within a budget", () => {
    const elements = Array.from({ length: 1000 }, (_, index) => index);
    const checked = compile("l.all(e, l.all(f, e + f >= 0)) && q").checked;
    const result = partialEvaluate(checked, { known: { l: elements }, unknown: ["q"], costLimit: 10_000 });
    expect(shown(result)).toBe("CEL_COST_LIMIT");
  });

  test("a local variable does not hide what a leading dot means", () => {
    const result = partialEvaluate(compile("l.all(a, a + .a < b)").checked, { known: KNOWN, unknown: UNKNOWN });
    expect(shown(result)).toBe("4 < b && 5 < b && 6 < b");
  });
});

describe("lazy variables", () => {
  const programs = new Map<string, Program>();
  const lazy: LazyScope = { variable: "variables", programs };
  programs.set("limit", compile("a + 1"));
  programs.set("size", compile("b * 2"));
  programs.set("sum", compile("variables.size + variables.limit", environment, lazy));
  programs.set("broken", compile("b / 0"));
  const evaluate = (text: string): PartialResult =>
    partialEvaluate(compile(text, environment, lazy).checked, { known: KNOWN, unknown: UNKNOWN, lazy });

  test.each([
    ["variables.limit + b", "4 + b"],
    ["variables.limit", "= 4"],
    ["has(variables.size) && has(variables.other)", "= false"],
    ["variables.size > 1 && variables.size < 9", "cel.bind(@variables.size, b * 2, @variables.size > 1 && @variables.size < 9)"],
    ["p || variables.broken > 1", "= true"],
  ])("%s is %s", (text, expected) => {
    expect(shown(evaluate(text))).toBe(expected);
  });

  test("one that refers to another is bound after it", () => {
    const result = evaluate("variables.sum > 5 && variables.sum < 10");
    expect(result.kind === "residual" && run(result, { b: 2 })).toBe(true);
    expect(result.kind === "residual" && run(result, { b: 0 })).toBe(false);
  });

  test("all of them can be passed on", () => {
    const result = evaluate("size(variables) == 4");
    expect(result.kind === "residual" && run(result, { b: 2 })).toBeInstanceOf(CelError);
  });
});

/** Expressions by type, as text. */
const { bool } = fc.letrec<{ bool: string; int: string; text: string; list: string; map: string; any: string }>((tie) => {
  const infix = (left: fc.Arbitrary<string>, operators: readonly string[], right: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.tuple(left, fc.constantFrom(...operators), right).map(([a, operator, b]) => `(${a} ${operator} ${b})`);
  const fill = (template: string, ...holes: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
    fc.tuple(...holes).map((texts) => texts.reduce((filled, hole, index) => filled.replaceAll(`$${index}`, hole), template));
  const options = { depthSize: "small", withCrossShrink: true } as const;
  return {
    bool: fc.oneof(
      options,
      fc.constantFrom("p", "q", "true", "false", "has(r.u)", "has(r.k)", "has(um.k)", "(1 / 0 > 0)"),
      infix(tie("bool"), ["&&", "||", "==", "!="], tie("bool")),
      infix(tie("int"), ["<", "<=", "==", "!="], tie("int")),
      fill("!($0)", tie("bool")),
      fill("($0 ? $1 : $2)", tie("bool"), tie("bool"), tie("bool")),
      fill("($0).all(e, $1)", tie("list"), tie("bool")),
      fill("($0).exists(e, e == b || $1)", tie("list"), tie("bool")),
      fill("($0).exists_one(e, e < a && $1)", tie("list"), tie("bool")),
      fill("($0).all(k, v, v > b && $1)", tie("map"), tie("bool")),
      fill("cel.bind(z, $0, z && $1)", tie("bool"), tie("bool")),
      infix(tie("int"), ["in"], tie("list")),
      infix(tie("any"), ["==", "!="], tie("any")),
      fill("(x && $0)", tie("bool")),
      fill("($0).contains($1)", tie("text"), tie("text")),
    ),
    int: fc.oneof(
      options,
      fc.constantFrom("a", "b", "0", "1", "2", "r.n.z", "r.u.v", "size(ul)", "l[b]", "ul[a]", "m[s]", "9223372036854775807"),
      infix(tie("int"), ["+", "-", "*", "/", "%"], tie("int")),
      fill("($0 ? $1 : $2)", tie("bool"), tie("int"), tie("int")),
      fill("size($0)", tie("list")),
      fill("($0).?k.orValue($1)", tie("map"), tie("int")),
      fill("($0)[?$1].optMap(o, o + $2).orValue(b)", tie("list"), tie("int"), tie("int")),
      fill("cel.bind(z, $0, z + z)", tie("int")),
    ),
    text: fc.oneof(
      options,
      fc.constantFrom("s", "t", "'l'", "r.z"),
      infix(tie("text"), ["+"], tie("text")),
      fill("string($0)", tie("int")),
    ),
    list: fc.oneof(
      options,
      fc.constantFrom("l", "ul", "[a, b]", "[?m.?k, ?um.?j]"),
      infix(tie("list"), ["+"], tie("list")),
      fill("($0).map(e, e + $1)", tie("list"), tie("int")),
      fill("($0).filter(e, $1)", tie("list"), tie("bool")),
      fill("($0).map(e, e < b, $1)", tie("list"), tie("int")),
      fill("($0).transformList(i, v, v + i + $1)", tie("list"), tie("int")),
    ),
    map: fc.oneof(
      options,
      fc.constantFrom("m", "um", "{'k': a, 'j': b}", "{?'k': um.?k}"),
      fill("($0).transformMap(k, v, v + $1)", tie("map"), tie("int")),
      fill("($0).transformMap(k, v, $1, v)", tie("map"), tie("bool")),
      fill("($0).transformMapEntry(i, v, {string(v): i})", tie("list")),
    ),
    any: fc
      .oneof(options, fc.constantFrom("x", "r.u", "r.k", "null"), tie("int"), tie("text"), tie("list"), tie("map"))
      .map((text) => `dyn(${text})`),
  };
});

const int = fc.integer({ min: -3, max: 4 });
const bindings: fc.Arbitrary<Record<string, CelValue>> = fc.record({
  ...{ a: int, b: int, p: fc.boolean(), q: fc.boolean(), s: fc.constantFrom("k", "hello"), t: fc.constantFrom("", "l") },
  ...{ l: fc.array(int, { maxLength: 3 }), ul: fc.array(int, { maxLength: 3 }) },
  m: fc.dictionary(fc.constantFrom("k", "j"), int),
  um: fc.dictionary(fc.constantFrom("k", "j"), int),
  r: fc.record({ k: int, n: fc.record({ z: int }), u: fc.oneof(fc.record({ v: int }), int) }, { requiredKeys: ["u"] }),
  x: fc.oneof(fc.boolean(), int, fc.constant(null), fc.constant("k")),
});
const unknownNames = fc.subarray(["a", "b", "p", "q", "s", "t", "l", "ul", "m", "um", "r.u", "r", "x"]);

test("the residual gives what the expression gives, whatever the unknown values are", () => {
  fc.assert(
    fc.property(bool, bindings, unknownNames, (text, all, unknown) => {
      const program = compile(text);
      const isOpen = (name: string): boolean => unknown.some((pattern) => pattern.split(".")[0] === name);
      const known = Object.fromEntries(Object.entries(all).filter(([name]) => !isOpen(name)));
      const open = Object.fromEntries(Object.entries(all).filter(([name]) => isOpen(name)));
      // Of a variable of which only a field is unknown, the others are known.
      if (!unknown.includes("r") && unknown.includes("r.u")) known["r"] = { ...Object(all["r"]), u: undefined };
      const expected = program.run(createFrame(all));
      const result = partialEvaluate(program.checked, { known, unknown });
      const actual = result.kind === "value" ? result.value : run(result, open);
      const residual = result.kind === "value" ? "" : unparse(result.expression.root);
      expect({ text, residual, actual, expected, same: isSame(actual, expected) }).toMatchObject({ same: true });
    }),
    { numRuns: 1000 },
  );
});
